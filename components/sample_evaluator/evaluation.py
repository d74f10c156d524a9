"""One evaluation, from data and models in folders to the verdict and the report."""

import dataclasses
import datetime
import functools
import gc
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.features import check_available
from components.images.features import ReadFeatures
from components.images.records import ReadExamples
from components.real_features import names as feature_names
from components.sample_evaluator import describe, names, sources
from components.sample_evaluator.describe import RealImages
from components.sample_evaluator.files import read_if_there, read_json_if_there
from components.sample_evaluator.measure.analysis import Analyze
from components.sample_evaluator.measure.eval_config import make_eval_config
from components.sample_evaluator.measure.kinds import FindKinds, load_kinds, write_kinds
from components.sample_evaluator.measure.results import SourceResult, load_results
from components.sample_evaluator.measure.spectra import WriteSpectra, load_spectra
from components.sample_evaluator.measure.tfma_metrics import METRICS
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures.missing_kinds import WriteMissingKinds
from components.sample_evaluator.report import page
from components.sample_evaluator.samples.sampler import (
    LoadedSampler,
    OtherDataError,
    SamplerError,
    check_sampler,
)
from components.sample_evaluator.verdict import gate, history, sentences, summary
from components.sample_evaluator.verdict.student import limits_of_student
from trainer import examples
from trainer.common.progress import Report, phase, report
from trainer.common.text import ending

_COMPARED = "compared_images"  # folder, deleted at the end of the evaluation


class EvaluatedModel(NamedTuple):
    """A model to compare by its samples.

    Attributes:
        uri: names it in what is written.
        sampler: folder of the sampler SavedModel.
    """

    uri: str
    sampler: str


class StoredImages(NamedTuple):
    """Images to compare in place of a model's samples.

    Attributes:
        uri: names them in what is written.
        examples: folder of their examples.
    """

    uri: str
    examples: str


class _Loaded(NamedTuple):
    """A model that was checked. Its sampler is kept, or each step would load it again."""

    sampler: LoadedSampler | None = None
    problem: str | None = None  # why the model cannot be sampled
    broken: bool = False  # whether that is its own fault, not that it draws something else


def evaluate(
    make_pipeline: Callable[[], beam.Pipeline],
    real: RealImages,
    candidate: EvaluatedModel | StoredImages,
    baseline: EvaluatedModel | StoredImages | None,
    earlier: Sequence[types.Artifact],
    options: EvaluateOptions,
    output: str,
    *,
    folders: Mapping[str, str] | None = None,
    by_teacher: bool = False,
    remarks: Sequence[str] = (),
) -> gate.ModelVerdict:
    """Compares a candidate with real images and judges it.

    A model that cannot be sampled is not an error: as a candidate it is not blessed. As a baseline
    it is not compared, and if it is damaged, no candidate is blessed by limits that compare.

    Args:
        make_pipeline: returns an empty pipeline, which is then run.
        real: the real images.
        candidate: is judged.
        baseline: what the candidate is compared with, in a pipeline the latest blessed model. The
            images of one of two StoredImages are not drawn from the seeds of the other's: where
            metrics take pairs, they are in order of their keys.
        earlier: evaluations of the models blessed before, oldest first.
        options: samples, features, thresholds.
        output: folder for metrics.json, report.html, its pictures and TFMA's results.
        folders: where the images are, by what they are, for the report.
        by_teacher: whether the candidate is a student and the baseline its teacher. It is then
            compared with no other models, and rejected by no limit that its teacher misses.
        remarks: sentences about the comparison, which become warnings.

    Raises:
        FeatureError: the weights of the feature space are missing or not the pinned ones.
    """
    check_available(options.features)
    compared = {sources.CANDIDATE: candidate, **({sources.BASELINE: baseline} if baseline else {})}
    models = {name: each for name, each in compared.items() if isinstance(each, EvaluatedModel)}
    stored = {name: each for name, each in compared.items() if isinstance(each, StoredImages)}
    shape = _shape(real.transform_graph, examples.IMAGE)
    unpaired = examples.SOURCE_EVAL in real.examples
    source_shape = shape if unpaired else _shape(real.transform_graph, examples.SOURCE)
    loaded = {source: _load(model, shape, source_shape) for source, model in models.items()}
    judged, against = (loaded.get(s, _Loaded()) for s in (sources.CANDIDATE, sources.BASELINE))
    translating = {
        name: each.sampler.source
        for name, each in loaded.items()
        if each.sampler and each.sampler.source
    }
    pairs = sources.CANDIDATE in translating and not unpaired
    if not pairs:
        options = options.without_pairs()
    labels = judged.sampler.labels if judged.sampler else []
    config = make_eval_config(
        options,
        baseline=baseline is not None and not against.problem,
        by_label=bool(labels),
        holdout=examples.HOLDOUT in real.examples,
        translates=sources.CANDIDATE in translating,
        pairs=pairs,
    )
    describe_images = functools.partial(
        describe.describe,
        real=real,
        models={source: models[source].sampler for source in loaded if loaded[source].sampler},
        stored={source: images.examples for source, images in stored.items()},
        options=options,
        shape=shape,
        output=output,
        translating=translating,
        student=bool(judged.sampler and judged.sampler.teacher),
    )
    _measure(make_pipeline, describe_images, config, real, output, labels)
    results = load_results(output, [spec.name for spec in config.model_specs])
    validation = tfma.load_validation_result(output)
    task = history.task_of(translating.get(sources.CANDIDATE))
    models_before = history.earlier_metrics(
        earlier,
        options.features,
        results[sources.REAL].images,
        results.get(sources.HOLDOUT, SourceResult()).images,
        task,
        shape,
    )
    kinds = load_kinds(output)
    best, dropped = {} if by_teacher else history.best_places(models_before), {}
    if by_teacher and sources.BASELINE in results:
        options, dropped = limits_of_student(results, options)
    broken = against.problem if against.broken else None
    verdict = gate.judge(results, validation, options, judged.problem, kinds, best, dropped, broken)
    if against.problem:
        remarks = (f"the baseline is not compared: {against.problem}", *remarks)
    if unknown := sorted(results[sources.CANDIDATE].classes.keys() - {*labels, ""}):
        remarks = (*remarks, sentences.unknown_classes(unknown))
    verdict = dataclasses.replace(verdict, warnings=(*remarks, *verdict.warnings))
    setting = summary.Setting(
        options,
        judged.sampler and judged.sampler.nb_step,
        candidate.uri,
        baseline.uri if baseline else None,
        _baseline_status(baseline, against.problem),
        folders or {},
        shape,
        task,
        datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )
    content = summary.summarize(
        setting,
        results,
        verdict,
        kinds,
        load_spectra(output),
        models_before,
        best,
        read_json_if_there(f"{output}/{names.ANSWERS_JSON}"),
    )
    content["seed_distance"] = read_json_if_there(f"{output}/{names.SEED_DISTANCE_JSON}")
    with phase("writing the report"):
        _write(output, content, real.features)
    return verdict


def _measure(
    make_pipeline: Callable[[], beam.Pipeline],
    describe_images: Callable[..., None],
    config: config_pb2.EvalConfig,
    real: RealImages,
    output: str,
    labels: Sequence[str],
) -> None:
    """Runs a pipeline that describes the images, and one that computes metrics of the features."""
    compared = f"{output}/{_COMPARED}"
    try:
        with phase("describing the images"), make_pipeline() as pipeline:
            describe_images(pipeline, compared=compared)
        # An in-process runner keeps in memory what all stages of a pipeline produced, until its
        # end, and reference cycles do so after it: the second pipeline starts without that.
        gc.collect()
        if len(config.slicing_specs) == 1:  # how many classes have images is known afterwards
            count = sum(len(spec.metrics) * len(spec.model_names) for spec in config.metrics_specs)
            report(Report(METRICS, expected=count, unit=""))
        with phase(METRICS), make_pipeline() as pipeline:
            features = pipeline | ReadFeatures(f"{compared}/*-of-*")
            _ = features | Analyze(config, output)
            _ = features | WriteSpectra(output)
            _find_kinds(pipeline, features, compared, real, output, labels)
    finally:
        if fileio.exists(compared):
            fileio.rmtree(compared)


def _find_kinds(
    pipeline: beam.Pipeline,
    features: beam.PCollection,
    compared: str,
    real: RealImages,
    output: str,
    labels: Sequence[str],
) -> None:
    known = pipeline | "Known" >> ReadFeatures(f"{compared}/{describe.KNOWN}/*-of-*")
    judged = features | "Judged" >> beam.Filter(lambda image: image.source != sources.TRAIN)
    kinds = [known, judged] | "Images" >> beam.Flatten() | FindKinds(labels)
    _ = kinds | "WriteKinds" >> beam.Map(write_kinds, output)
    held_out = pipeline | "HeldOutExamples" >> ReadExamples(real.examples[examples.EVAL])
    _ = (kinds, held_out) | WriteMissingKinds(
        real.transform_graph, f"{output}/{names.MISSING_KINDS_PNG}"
    )


def _load(
    model: EvaluatedModel,
    shape: tuple[int, int, int],
    source_shape: tuple[int, int, int] | None,
) -> _Loaded:
    try:
        return _Loaded(sampler=check_sampler(model.sampler, shape, source_shape))
    except SamplerError as error:
        logging.warning("%s", error)
        # Without where the folders are: it appears in the model card, which is published.
        problem = str(error).replace(model.sampler.rstrip("/"), ending(model.sampler, 3))
        return _Loaded(problem=problem, broken=not isinstance(error, OtherDataError))


def _baseline_status(baseline: EvaluatedModel | StoredImages | None, problem: str | None) -> str:
    if baseline is None:
        return "there is none yet"
    return f"not compared: {problem}" if problem else "compared"


def _shape(transform_graph: str, feature: str) -> tuple[int, int, int] | None:
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    if feature not in spec:
        return None
    height, width, channels = spec[feature].shape
    return height, width, channels


def _write(folder: str, content: dict[str, Any], features: str) -> None:
    text = json.dumps(content, indent=2, allow_nan=False)
    io_utils.write_string_file(f"{folder}/{names.METRICS_JSON}", text + "\n")
    pictures = page.Pictures(
        samples=read_if_there(f"{folder}/{names.SAMPLES_PNG}"),
        real=read_if_there(f"{features}/{feature_names.REAL_PNG}"),
        nearest_pairs=read_if_there(f"{folder}/{names.NEAREST_PAIRS_PNG}"),
        trajectories=read_if_there(f"{folder}/{names.TRAJECTORIES_PNG}"),
        worst_samples=read_if_there(f"{folder}/{names.WORST_SAMPLES_PNG}"),
        missing_kinds=read_if_there(f"{folder}/{names.MISSING_KINDS_PNG}"),
        pairs=read_if_there(f"{folder}/{names.PAIRS_PNG}"),
        answers=read_if_there(f"{folder}/{names.ANSWERS_PNG}"),
    )
    html = page.render(content, pictures)
    io_utils.write_string_file(f"{folder}/{names.REPORT_HTML}", html)
