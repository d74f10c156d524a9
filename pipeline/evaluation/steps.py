"""The steps of an evaluation outside a pipeline.

Each calls the function of the component that does the same in a pipeline, so the numbers are those
of a run on the same images.
"""

import contextlib
import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components.beam_options import BeamOptions
from components.features.choice import choose_features
from components.image_example_gen import names as example_names
from components.image_example_gen import report as image_reports
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.executor import write_examples
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.pairs.copies import count_copies
from components.image_example_gen.pairs.decoding import of_any_size
from components.image_example_gen.spans import ImageSource
from components.images.features import shared_extractor
from components.progress import DECODED, FEATURES
from components.real_features import names as feature_names
from components.real_features.executor import write_features
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator import sources
from components.sample_evaluator.describe import RealImages
from components.sample_evaluator.evaluation import EvaluatedModel, StoredImages, evaluate
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.samples.sampler import LoadedSampler, SamplerError, load_sampler
from components.sample_evaluator.verdict.plan import announce
from pipeline.config import PipelineConfig
from pipeline.evaluation.division import Division, conversion, divide
from pipeline.evaluation.inputs import Inputs, Judged, check_count
from trainer import examples, preprocessing
from trainer.common.progress import phase
from trainer.common.signals import raise_lost_stop
from trainer.common.text import quantity

BY_OPTION = "with --source"
IMAGES_JSON = "images.json"  # which files of each folder were accepted and rejected


def run(
    inputs: Inputs, config: PipelineConfig, output: Path, report: Callable[[str], None]
) -> list[str]:
    """Writes an evaluation to a folder; errors and `config` as in `evaluate_candidate`.

    Args:
        inputs: the folders.
        config: of the evaluation.
        output: folder for the results.
        report: receives lines for a person.

    Returns:
        The images that were compared, one line per set.
    """
    judged = {sources.CANDIDATE: inputs.candidate}
    if inputs.baseline:
        judged[sources.BASELINE] = inputs.baseline
    # Referenced to the end, or each step would load the models again.
    samplers = [load_sampler(str(each.folder)) for each in judged.values() if each.is_model]
    degrade, paired = _kind_of_sources(samplers)
    _check_sources(samplers, inputs.sources)
    beside = inputs.sources if paired else None
    division = None
    if not inputs.training:
        folders = [each.folder for each in judged.values() if each.is_model]
        found = {
            folder: sampler.metadata for folder, sampler in zip(folders, samplers, strict=True)
        }
        division = divide(config.data, found)
        if division.line:
            report(division.line)
    options = _image_options(config, samplers, division)
    stored = {name: each.folder for name, each in judged.items() if not each.is_model}
    sets = _image_sets(inputs, stored)
    if inputs.sources and not paired:
        sets["sources"] = (inputs.sources, [examples.SOURCE_EVAL])
    scratch = output / "scratch"
    features, warning = choose_features(config.evaluate.features, options.shape, report)

    def pipeline(component: str) -> beam.Pipeline:
        raise_lost_stop()
        return beam.Pipeline(options=BeamOptions(config.beam.arguments(component)))

    reports = {}
    for name, (folder, splits) in sets.items():
        targets = {split: str(scratch / split) for split in splits}
        of_real = division if name == "real" else None
        with phase(DECODED), _naming_train(of_real, str(scratch / "reports" / name)):
            reports[name] = write_examples(
                pipeline(example_names.NODE),
                ImageSource(
                    str(folder),
                    split=splits[0] if len(splits) == 1 else None,
                    sources=str(beside or "") if name == "real" else "",
                ),
                of_any_size(options) if name == "sources" else options,
                str(scratch / "reports" / name),
                targets,
                division.salt if division else "",
            )
    if beside:
        image_reports.check_sources(reports["real"], str(beside), BY_OPTION)
    elif inputs.sources:
        folders = (str(scratch / "reports" / name) for name in ("real", "sources"))
        copies = count_copies(*folders)
        image_reports.check_copies(copies, reports["sources"], str(inputs.sources), BY_OPTION)
    (output / IMAGES_JSON).write_text(json.dumps(reports, indent=1), "ascii")
    images = {split: n for report in reports.values() for split, n in report["splits"].items()}
    for name in stored:
        check_count(stored[name], images[name], config.evaluate.min_samples)
    if examples.SOURCE_EVAL in images:
        check_count(inputs.sources, images[examples.SOURCE_EVAL], config.evaluate.min_samples)
    part = ""
    if division:
        held_out = " that the training held out"
        part = held_out if division.by_training else " in the half to compare with"
    check_count(inputs.real, images[examples.EVAL], config.evaluate.min_samples, part)
    others = "" if inputs.training else " in the other part"
    folder = inputs.training or inputs.real
    check_count(folder, images[examples.TRAIN], config.evaluate.min_samples, others)
    graph = str(scratch / "transform_graph")
    with phase("building the graph that decodes images"):
        write_transform_graph(options.shape, graph, degrade, paired=beside is not None)

    compared = [examples.EVAL, *stored, *({examples.SOURCE_EVAL} & images.keys())]
    available = min(images[name] for name in compared)
    count = min(config.evaluate.samples, available)
    evaluate_options = config.evaluate.without_holdout().model_copy(
        update={"samples": count, "features": features}
    )
    for line in announce(evaluate_options, available, options.shape):
        report(line)
    features_folder = scratch / "features"
    features_folder.mkdir()
    splits = {examples.TRAIN, *compared} - stored.keys()
    examples_folders = {split: [str(scratch / split)] for split in sorted(splits)}
    with phase(FEATURES):
        _extractor = shared_extractor(evaluate_options.features)  # also referenced to the end
        write_features(
            pipeline(feature_names.NODE),
            examples_folders,
            evaluate_options,
            graph,
            str(features_folder),
        )
    candidate, baseline = (
        _compared(name, judged[name], scratch) if name in judged else None
        for name in (sources.CANDIDATE, sources.BASELINE)
    )
    data = RealImages(examples_folders, str(features_folder), graph)
    make_pipeline = functools.partial(pipeline, evaluator_names.NODE)
    evaluate(
        make_pipeline,
        data,
        candidate,
        baseline,
        [],
        evaluate_options,
        str(output),
        features_warning=warning,
        folders=_folders(inputs, division),
    )
    shutil.rmtree(scratch)
    return list(_describe(sets, reports, evaluate_options, judged))


@contextlib.contextmanager
def _naming_train(division: Division | None, reports: str) -> Iterator[None]:
    """Adds a way out to the error that no image, or every image, is one that a training held out.

    Args:
        division: of the real images.
        reports: folder of the report of those that are read in the block.
    """
    try:
        yield
    except ImageDataError as error:
        file = Path(reports) / example_names.REJECTED_JSON
        if not division or not division.by_training or not file.exists():
            raise
        found = json.loads(file.read_text("utf-8"))["splits"].values()
        if all(found) or not any(found):
            raise
        raise ImageDataError(
            f"{error}; or name the images that the model was trained on with --train, and others "
            "with --real"
        ) from error


def _folders(inputs: Inputs, division: Division | None) -> dict[str, str]:
    real = str(inputs.real)
    if division is None:
        found = real, str(inputs.training)
    elif division.by_training:
        found = f"those of {real} that the training held out", f"the others of {real}"
    else:
        found = (f"half of {real}, by hash",) * 2
    return dict(zip(("held-out images", "training"), found, strict=True))


def _compared(name: str, judged: Judged, scratch: Path) -> EvaluatedModel | StoredImages:
    uri = str(judged.folder)
    return EvaluatedModel(uri, uri) if judged.is_model else StoredImages(uri, str(scratch / name))


def _image_options(
    config: PipelineConfig, samplers: Sequence[LoadedSampler], division: Division | None
) -> ImageOptions:
    """The options of ImageExampleGen; a model brings its own resolution and channels.

    It also brings how the images of its training were fitted and composited, which `data` may set
    otherwise unless the model translates: then its requests are converted in the same way.
    """
    update: dict[str, Any] = dict(division.options) if division else {}
    shapes = [sampler.image_shape() for sampler in samplers]
    if len(set(shapes)) > 1:
        raise SamplerError(
            f"the candidate draws images of shape {shapes[0]}, the baseline {shapes[1]}; only "
            "models of equal shapes can be compared"
        )
    if shapes:
        height, width, channels = shapes[0]
        if channels not in (1, 3):
            raise SamplerError(
                f"the model draws images of shape {shapes[0]}; only images with 1 or 3 channels "
                "can be compared"
            )
        update |= {"resolution": (height, width), "channels": channels}
    update |= conversion(config.data, [each.metadata for each in samplers])
    data = config.data.model_dump(include=set(ImageOptions.model_fields))
    return ImageOptions.model_validate(data | update)


def _image_sets(inputs: Inputs, stored: Mapping[str, Path]) -> dict[str, tuple[Path, list[str]]]:
    """The folders of images by name, each with the splits that its images go to."""
    real, training = inputs.real, inputs.training
    if training:
        sets = {"real": (real, [examples.EVAL]), "training": (training, [examples.TRAIN])}
    else:
        sets = {"real": (real, [examples.TRAIN, examples.EVAL])}
    return sets | {name: (folder, [name]) for name, folder in stored.items()}


def _describe(
    sets: Mapping[str, tuple[Path, list[str]]],
    reports: Mapping[str, Mapping[str, Any]],
    options: EvaluateOptions,
    judged: Mapping[str, Judged],
) -> Iterator[str]:
    count, first = options.samples, options.seed
    real = reports["real"]["splits"]
    for name, (folder, is_model) in judged.items():
        before = "the baseline: " if name == sources.BASELINE else ""
        if is_model:
            yield f"{before}{count:,} samples of {folder}, seeds {first} to {first + count - 1}"
        else:
            of = quantity(reports[name]["splits"][name], "image")
            yield f"{before}{count:,} of {of} in {folder}, chosen by hash"
    of = quantity(sum(real.values()), "image")
    yield f"compared with {count:,} of {of} in {sets['real'][0]}"
    role = "the floor and the reference for memorization"
    if "training" in reports:
        training = reports["training"]["splits"][examples.TRAIN]
        yield f"{quantity(training, 'image')} in {sets['training'][0]}: {role}"
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


def _kind_of_sources(samplers: Sequence[LoadedSampler]) -> tuple[str | None, bool]:
    """How models derive sources from images, and whether each image has a source of its own."""
    found = {
        (sampler.source.degrade, sampler.source.paired) for sampler in samplers if sampler.source
    }
    if len(found) > 1:
        first, second = sorted(
            f"data.degrade={degrade}" if degrade else f"data.source{'' if paired else ' unpaired'}"
            for degrade, paired in found
        )
        raise SamplerError(
            f"one model has sources by {first}, the other by {second}; only models with equal "
            "sources can be compared"
        )
    return next(iter(found), (None, True))


def _check_sources(samplers: Sequence[LoadedSampler], sources: Path | None) -> None:
    """Raises a SamplerError if models lack a folder of sources, or take none from a folder."""
    taken = [each.source for each in samplers if each.source and not each.source.degrade]
    if taken and not sources:
        which = (
            "the sources of --real, under the same names,"
            if taken[0].paired
            else "images to translate (data.pairing=none)"
        )
        raise SamplerError(
            f"the model translates images of a folder (data.source): name the folder with {which} "
            "with --source"
        )
    if sources and not taken:
        raise SamplerError(
            f"--source {sources}: no model here translates images of a folder (data.source); leave "
            "it out"
        )


def write_transform_graph(
    shape: tuple[int, int, int], folder: str, degrade: str | None = None, *, paired: bool = False
) -> None:
    """Writes the content of the TransformGraph artifact of an unconditional model.

    Nothing is learned from the images, so that no Beam pipeline is needed.

    Args:
        shape: H, W, C of the images.
        folder: to write to.
        degrade: how sources are derived from the images (trainer/source/options.py); None: none.
        paired: whether sources are stored beside some of the images. Of the others, which nothing
            translates, they are black.
    """
    raw = dict.fromkeys((examples.IMAGE, examples.LABEL), tf.io.FixedLenFeature([1], tf.string))
    types = dict.fromkeys(raw, tf.TensorSpec([None, 1], tf.string))
    if paired:
        raw[examples.SOURCE] = tf.io.VarLenFeature(tf.string)
        types[examples.SOURCE] = tf.SparseTensorSpec([None, None], tf.string)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(raw))
    metadata_io.write_metadata(metadata, f"{folder}/{tft.TFTransformOutput.RAW_METADATA_DIR}")
    options = {"resolution": shape[:2], "channels": shape[2], "degrade": degrade, "paired": paired}

    def preprocess(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        if paired:
            black = tf.io.encode_png(tf.zeros(shape, tf.uint8))
            count = tf.size(inputs[examples.IMAGE], tf.int64)
            stored = tf.sparse.reset_shape(inputs[examples.SOURCE], [count, 1])
            inputs = {**inputs, examples.SOURCE: tf.sparse.to_dense(stored, black)}
        return preprocessing.preprocessing_fn(inputs, options)

    impl_helper.analyze_in_place(preprocess, False, raw, types, folder)
