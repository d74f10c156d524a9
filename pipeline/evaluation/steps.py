"""The steps of an evaluation outside a pipeline.

Each calls the function of the component that does the same in a pipeline, so the numbers are those
of a run on the same images.
"""

import functools
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components import names as tfx_names
from components.image_example_gen import names as example_names
from components.image_example_gen.executor import write_examples
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.spans import ImageSource
from components.progress import DECODED, FEATURES
from components.real_features import names as feature_names
from components.real_features.executor import write_features
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.describe import RealImages
from components.sample_evaluator.evaluation import EvaluatedModel, StoredImages, evaluate
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.samples.sampler import LoadedSampler, SamplerError, load_sampler
from pipeline.config import PipelineConfig
from trainer import examples, preprocessing
from trainer.common.progress import phase
from trainer.common.signals import raise_lost_stop

IMAGES_JSON = "images.json"  # which files of each folder were accepted and rejected
SPLIT_PERCENT = 50  # of a single folder of real images: the share to compare with
SPLIT_SALT = "evaluate:"  # else all images that a pipeline held out would be compared
STORED = "stored"  # the split of a candidate that is a folder of images


def run(
    candidate: Path,
    real: Path,
    training: Path | None,
    config: PipelineConfig,
    output: Path,
    *,
    is_model: bool,
) -> list[str]:
    """Writes an evaluation to a folder; other arguments and errors as in `evaluate_candidate`.

    Args:
        is_model: whether the candidate is a model, and not a folder of images.

    Returns:
        The images that were compared, one line per set.
    """
    # Referenced to the end, or each step would load the model again.
    sampler = load_sampler(str(candidate)) if is_model else None
    options = _image_options(config, sampler, split=training is None)
    sets = _image_sets(real, training, None if sampler else candidate)
    scratch = output / "scratch"

    def pipeline(component: str) -> beam.Pipeline:
        raise_lost_stop()
        return beam.Pipeline(argv=config.beam.arguments(component))

    reports = {}
    for name, (folder, splits) in sets.items():
        targets = {split: str(scratch / split) for split in splits}
        with phase(DECODED):
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
    with phase("building the graph that decodes images"):
        write_transform_graph(
            pipeline(tfx_names.TRANSFORM), options.resolution, options.channels, graph
        )

    images = {split: n for report in reports.values() for split, n in report["splits"].items()}
    count = min(config.evaluate.samples, images[examples.EVAL], images.get(STORED, math.inf))
    evaluate_options = config.evaluate.without_holdout().model_copy(update={"samples": count})
    features = scratch / "features"
    features.mkdir()
    examples_folders = {split: [str(scratch / split)] for split in (examples.TRAIN, examples.EVAL)}
    with phase(FEATURES):
        write_features(
            pipeline(feature_names.NODE), examples_folders, evaluate_options, graph, str(features)
        )
    uri = str(candidate)
    judged = EvaluatedModel(uri, uri) if sampler else StoredImages(uri, str(scratch / STORED))
    data = RealImages(examples_folders, str(features), graph)
    make_pipeline = functools.partial(pipeline, evaluator_names.NODE)
    evaluate(make_pipeline, data, judged, None, [], evaluate_options, str(output))
    shutil.rmtree(scratch)
    return list(_describe(sets, reports, evaluate_options, candidate))


def _image_options(
    config: PipelineConfig, sampler: LoadedSampler | None, *, split: bool
) -> ImageOptions:
    """The options of ImageExampleGen; a model brings its own resolution and channels."""
    update: dict[str, Any] = {"eval_percent": SPLIT_PERCENT} if split else {}
    if sampler:
        height, width, channels = sampler.image_shape()
        if height != width or channels not in (1, 3):
            raise SamplerError(
                f"the model draws images of shape {(height, width, channels)}; only square images "
                "with 1 or 3 channels can be compared"
            )
        update |= {"resolution": height, "channels": channels}
    data = config.data.model_dump(include=set(ImageOptions.model_fields))
    return ImageOptions.model_validate(data | update)


def _image_sets(
    real: Path, training: Path | None, candidate: Path | None
) -> dict[str, tuple[Path, list[str]]]:
    """The folders of images by name, each with the splits that its images go to."""
    if training:
        sets = {"real": (real, [examples.EVAL]), "training": (training, [examples.TRAIN])}
    else:
        sets = {"real": (real, [examples.TRAIN, examples.EVAL])}
    return sets | ({"candidate": (candidate, [STORED])} if candidate else {})


def _describe(
    sets: Mapping[str, tuple[Path, list[str]]],
    reports: Mapping[str, Mapping[str, Any]],
    options: EvaluateOptions,
    candidate: Path,
) -> Iterator[str]:
    count, first = options.samples, options.seed
    real = reports["real"]["splits"]
    if "candidate" in reports:
        stored = reports["candidate"]["splits"][STORED]
        yield f"{count:,} of {stored:,} images in {candidate}, chosen by hash"
    else:
        yield f"{count:,} samples of {candidate}, seeds {first} to {first + count - 1}"
    yield f"compared with {count:,} of {sum(real.values()):,} images in {sets['real'][0]}"
    role = "the floor and the reference for memorization"
    if "training" in reports:
        training = reports["training"]["splits"][examples.TRAIN]
        yield f"{training:,} images in {sets['training'][0]}: {role}"
    else:
        yield f"the other {real[examples.TRAIN]:,}, split by hash: {role}"
    for name, report in reports.items():
        if report["rejected"]:
            (path, reason), *more = report["rejected_files"]
            rest = f" and {len(more)} more" if more else ""
            yield (
                f"{report['rejected']:,} of {report['files']:,} files in {sets[name][0]} rejected: "
                f"{path!r} ({reason}){rest}; all in {IMAGES_JSON}"
            )


def write_transform_graph(
    pipeline: beam.Pipeline, resolution: int, channels: int, folder: str
) -> None:
    """Writes the content of the TransformGraph artifact of an unconditional model.

    Args:
        pipeline: empty; it is run.
        resolution: side of the images, in pixels.
        channels: 1 or 3.
        folder: to write to.
    """
    text = tf.io.FixedLenFeature([1], tf.string)
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec({examples.IMAGE: text, examples.LABEL: text})
    )
    preprocess = functools.partial(
        preprocessing.preprocessing_fn,
        custom_config={"resolution": resolution, "channels": channels},
    )
    with tempfile.TemporaryDirectory() as temporary, pipeline, tft_beam.Context(temporary):
        raw = (pipeline | beam.Create([]), metadata)  # nothing is learned from the images
        _ = raw | tft_beam.AnalyzeDataset(preprocess) | tft_beam.WriteTransformFn(folder)
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/metadata", pipeline)
