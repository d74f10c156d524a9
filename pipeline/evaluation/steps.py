"""The steps of an evaluation outside a pipeline, each by the function that a component calls, too.

So the numbers are those of a pipeline's run on the same images.
"""

import functools
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam

from components import names as tfx_names
from components import progress as work
from components.image_example_gen import names as example_names
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.executor import write_examples
from components.image_example_gen.files import list_images
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.spans import ImageSource
from components.real_features import names as feature_names
from components.real_features.executor import write_features
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.evaluation import Model, RealData, StoredImages, evaluate
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.samples.sampler import Sampler, SamplerError, load_sampler
from pipeline.config import PipelineConfig
from pipeline.evaluation.errors import CandidateError
from pipeline.evaluation.progress import ImageProgress
from pipeline.evaluation.transform_graph import write_transform_graph
from trainer import examples

IMAGES_JSON = "images.json"  # what became of the files of each folder
SPLIT_PERCENT = 50  # of a single folder of real images, that are compared
SPLIT_SALT = "evaluate:"  # else images that a pipeline held out would all be compared
STORED = "stored"  # the split of a candidate that is a folder of images


def run(
    candidate: Path,
    real: Path,
    training: Path | None,
    config: PipelineConfig,
    output: Path,
    progress: ImageProgress,
) -> list[str]:
    """Writes an evaluation into a folder; arguments and errors as of `evaluate_candidate`.

    Returns:
        Which images were compared, in words, a line for each set.
    """
    is_model = (candidate / "saved_model.pb").is_file()
    # Kept to the end, or each step loads it again.
    sampler = load_sampler(str(candidate)) if is_model else None
    options = _image_options(config, sampler, split=training is None)
    sets = _image_sets(real, training, None if is_model else candidate)
    scratch = output / "scratch"

    def pipeline(component: str) -> beam.Pipeline:
        return beam.Pipeline(argv=config.beam.arguments(component))

    with work.listening(progress):
        reports = {}
        for name, (folder, splits) in sets.items():
            progress.expect(work.DECODED, _count_files(name, folder))
            targets = {split: str(scratch / split) for split in splits}
            reports[name] = write_examples(
                pipeline(example_names.NODE),
                ImageSource(str(folder), split=splits[0] if len(splits) == 1 else None),
                options,
                str(scratch / name),
                targets,
                SPLIT_SALT,
            )
        (output / IMAGES_JSON).write_text(json.dumps(reports, indent=1), "ascii")
        graph = str(scratch / "transform_graph")
        write_transform_graph(
            pipeline(tfx_names.TRANSFORM), options.resolution, options.channels, graph
        )

        images = {split: n for report in reports.values() for split, n in report["splits"].items()}
        count = min(config.evaluate.samples, images[examples.EVAL], images.get(STORED, math.inf))
        evaluate_options = config.evaluate.without_holdout().model_copy(update={"samples": count})
        progress.expect(work.FEATURES, images[examples.TRAIN] + 3 * count)  # real, judged, noise
        progress.expect(work.SAMPLED, count if is_model else 0)
        features = scratch / "features"
        features.mkdir()
        examples_folders = {
            split: [str(scratch / split)] for split in (examples.TRAIN, examples.EVAL)
        }
        write_features(
            pipeline(feature_names.NODE), examples_folders, evaluate_options, graph, str(features)
        )
        uri = str(candidate)
        judged = Model(uri, uri) if is_model else StoredImages(uri, str(scratch / STORED))
        data = RealData(examples_folders, str(features), graph)
        make_pipeline = functools.partial(pipeline, evaluator_names.NODE)
        evaluate(make_pipeline, data, judged, None, [], evaluate_options, str(output))
    shutil.rmtree(scratch)
    return list(_tell(sets, reports, evaluate_options, candidate))


def _image_options(config: PipelineConfig, sampler: Sampler | None, *, split: bool) -> ImageOptions:
    """How ImageExampleGen would make the images; of a model's own resolution and channels."""
    update: dict[str, Any] = {"eval_percent": SPLIT_PERCENT} if split else {}
    if sampler:
        height, width, channels = sampler.image_shape()
        if height != width or channels not in (1, 3):
            raise SamplerError(
                f"the model draws images {(height, width, channels)}: those that can be compared "
                "are square, with 1 or 3 channels"
            )
        update |= {"resolution": height, "channels": channels}
    data = config.data.model_dump(include=set(ImageOptions.model_fields))
    return ImageOptions.model_validate(data | update)


def _image_sets(
    real: Path, training: Path | None, candidate: Path | None
) -> dict[str, tuple[Path, list[str]]]:
    """Folders of images by name, each with the splits that its images go to."""
    if training:
        sets = {"real": (real, [examples.EVAL]), "training": (training, [examples.TRAIN])}
    else:
        sets = {"real": (real, [examples.TRAIN, examples.EVAL])}
    return sets | ({"candidate": (candidate, [STORED])} if candidate else {})


def _count_files(name: str, folder: Path) -> int:
    try:
        return len(list_images(str(folder)))
    except ImageDataError:
        if name != "candidate":
            raise
        raise CandidateError(
            f"{folder}: neither a SavedModel (no saved_model.pb in it) nor a folder of images"
        ) from None


def _tell(
    sets: Mapping[str, tuple[Path, list[str]]],
    reports: Mapping[str, Mapping[str, Any]],
    options: EvaluateOptions,
    candidate: Path,
) -> Iterator[str]:
    count, first = options.samples, options.seed
    real = reports["real"]["splits"]
    if "candidate" in reports:
        stored = reports["candidate"]["splits"][STORED]
        yield f"{count:,} of {stored:,} images in {candidate}, the first by hash"
    else:
        yield f"{count:,} samples of {candidate}, seeds {first} to {first + count - 1}"
    yield f"compared with {count:,} of {sum(real.values()):,} images in {sets['real'][0]}"
    role = "the floor, and what memorization is measured by"
    if "training" in reports:
        training = reports["training"]["splits"][examples.TRAIN]
        yield f"{training:,} images in {sets['training'][0]}: {role}"
    else:
        yield f"the {real[examples.TRAIN]:,} of the other half, split by hash: {role}"
    for name, report in reports.items():
        if report["rejected"]:
            (path, reason), *more = report["rejected_files"]
            rest = f" and {len(more)} more" if more else ""
            yield (
                f"{report['rejected']:,} of {report['files']:,} files in {sets[name][0]} left out: "
                f"{path!r} ({reason}){rest}; {IMAGES_JSON} names them"
            )
