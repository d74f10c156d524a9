"""One evaluation, from data and models in folders to the verdict, with all that it writes."""

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from absl import logging
from tfx import types
from tfx.dsl.io import fileio
from tfx.utils import io_utils
from threadpoolctl import threadpool_limits

from components.features import check_available
from components.images.batches import DecodeRecords
from components.images.records import ReadExamples, example_key
from components.images.take_first import TakeFirst
from components.real_features import names as feature_names
from components.real_features.artifact import ReadFeatures
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure import analysis
from components.sample_evaluator.measure.compared_images import ReadCompared, ReadNearest
from components.sample_evaluator.measure.eval_config import make_eval_config
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.report import page as report
from components.sample_evaluator.samples.sampler import Sampler, SamplerError, check_sampler
from components.sample_evaluator.verdict import gate, history, summary
from trainer import examples

_SOURCES = {
    examples.TRAIN: sources.TRAIN,
    examples.EVAL: sources.REAL,
    examples.HOLDOUT: sources.HOLDOUT,
}

_COMPARED = "compared_images"  # folder, for the time of the evaluation
_FEW = 2_000  # samples: products of so few vectors take longer in several threads than in one


class RealData(NamedTuple):
    """The real images.

    Attributes:
        examples: folders of their examples, by split: train, eval, and holdout if there is one.
        features: folder that `real_features.executor.write_features` wrote.
        transform_graph: URI of the TransformGraph artifact.
    """

    examples: Mapping[str, Sequence[str]]
    features: str
    transform_graph: str


class Model(NamedTuple):
    """A model, compared by what it draws.

    Attributes:
        uri: names it in what is written.
        sampler: folder of the sampler SavedModel.
    """

    uri: str
    sampler: str


class StoredImages(NamedTuple):
    """Images in place of a model's samples.

    Attributes:
        uri: names them in what is written.
        examples: folder of their examples.
    """

    uri: str
    examples: str


class _Checked(NamedTuple):
    problem: str | None = None  # why the model cannot be sampled, if it cannot
    sampler: Sampler | None = None  # kept for the time of the evaluation, or it loads again


def evaluate(
    make_pipeline: Callable[[], beam.Pipeline],
    real: RealData,
    candidate: Model | StoredImages,
    baseline: Model | None,
    earlier: Sequence[types.Artifact],
    options: EvaluateOptions,
    output: str,
) -> gate.Verdict:
    """Compares a candidate with real images and judges it.

    A model that cannot be sampled is no error: as a candidate it is not blessed, as a baseline it
    is not compared.

    Args:
        make_pipeline: makes an empty pipeline, which is run.
        real: the real images.
        candidate: is judged.
        baseline: the latest blessed model.
        earlier: evaluations of the blessed models before, oldest first.
        options: samples, features, thresholds.
        output: folder for metrics.json, report.html, its pictures and TFMA's results.

    Raises:
        FeatureError: the weights of the feature space are missing or not those that are pinned.
    """
    check_available(options.features)
    shape = _image_shape(real.transform_graph)
    checked = _check(candidate, shape)
    baseline_checked = _check(baseline, shape) if baseline else None
    if baseline_checked and baseline_checked.problem:
        logging.warning("The baseline is not compared: %s", baseline_checked.problem)
    samplers = {
        source: model.sampler
        for source, model, found in (
            (sources.CANDIDATE, candidate, checked),
            (sources.BASELINE, baseline, baseline_checked),
        )
        if isinstance(model, Model) and not found.problem
    }
    conditional = bool(checked.sampler and checked.sampler.labels)
    config = make_eval_config(
        options,
        baseline=sources.BASELINE in samplers,
        by_label=conditional,
        holdout=examples.HOLDOUT in real.examples,
    )
    compared = f"{output}/{_COMPARED}"
    try:
        _describe(make_pipeline(), real, candidate, samplers, shape, options, output, compared)
        # An in-process runner keeps in memory what all stages of a pipeline made, until its end,
        # and cycles do so after it: the metrics, in a pipeline of their own, start without.
        gc.collect()
        threads = 1 if options.samples <= _FEW else None
        with threadpool_limits(threads, user_api="blas"), make_pipeline() as pipeline:
            features = pipeline | "Compared" >> ReadCompared(compared)
            nearest = pipeline | "Nearest" >> ReadNearest(compared)
            _ = (features, nearest) | analysis.Analyze(config, output)
    finally:
        if fileio.exists(compared):
            fileio.rmtree(compared)
    values = analysis.load_values(output)
    validation = tfma.load_validation_result(output)
    verdict = gate.judge(values, validation, options, checked.problem)
    content = summary.summarize(
        summary.Setting(
            options,
            checked.sampler and checked.sampler.nb_step,
            candidate.uri,
            baseline.uri if baseline else None,
            _baseline_status(baseline_checked),
        ),
        values,
        analysis.load_values_by_label(output, sources.CANDIDATE),
        verdict,
        json.loads(_read_if_there(f"{output}/{names.ERROR_BY_ALPHA_JSON}") or "null"),
        history.earlier_metrics(
            earlier,
            options.features,
            *(
                int(values.get(source, {}).get("images", 0))
                for source in (sources.REAL, sources.HOLDOUT)
            ),
        ),
    )
    _write(output, content, real.features)
    return verdict


def _describe(
    pipeline: beam.Pipeline,
    real: RealData,
    candidate: Model | StoredImages,
    samplers: Mapping[str, str],
    shape: tuple[int, int, int],
    options: EvaluateOptions,
    output: str,
    compared: str,
) -> None:
    """Runs all that needs models and images: the metrics do not."""
    with pipeline:
        stored = {}
        if isinstance(candidate, StoredImages):
            stored[sources.CANDIDATE] = pipeline | _ReadImages(
                candidate.examples, real.transform_graph, options
            )
        data = {
            _SOURCES[split]: analysis.RealImages(
                pipeline | f"Features[{split}]" >> ReadFeatures(real.features, split),
                pipeline | f"Examples[{split}]" >> ReadExamples(folders),
            )
            for split, folders in real.examples.items()
        }
        _ = data | analysis.DescribeSamples(
            options, real.transform_graph, shape, samplers, output, compared, stored
        )


class _ReadImages(beam.PTransform):
    """Stored images as ImageBatches of the candidate, as many as there are to be samples."""

    def __init__(self, folder: str, transform_graph: str, options: EvaluateOptions) -> None:
        super().__init__()
        self._folder = folder
        self._transform_graph = transform_graph
        self._options = options

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        size = self._options.batch_size
        return (
            root
            | ReadExamples([self._folder])
            | TakeFirst(self._options.samples, key=example_key)
            | beam.Reshuffle()
            | beam.BatchElements(min_batch_size=size, max_batch_size=size)
            | "Decode" >> beam.ParDo(DecodeRecords(sources.CANDIDATE, self._transform_graph))
        )


def _check(candidate: Model | StoredImages, shape: tuple[int, int, int]) -> _Checked:
    if isinstance(candidate, StoredImages):
        return _Checked()
    try:
        return _Checked(sampler=check_sampler(candidate.sampler, shape))
    except SamplerError as error:
        return _Checked(problem=str(error))


def _baseline_status(found: _Checked | None) -> str:
    if found is None:
        return "there is none yet"
    return f"not compared: {found.problem}" if found.problem else "compared"


def _image_shape(transform_graph: str) -> tuple[int, int, int]:
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    height, width, channels = spec[examples.IMAGE].shape
    return height, width, channels


def _write(folder: str, content: dict[str, Any], features: str) -> None:
    text = json.dumps(content, indent=2, allow_nan=False)
    io_utils.write_string_file(f"{folder}/{names.METRICS_JSON}", text + "\n")
    pictures = report.Pictures(
        samples=_read_if_there(f"{folder}/{names.SAMPLES_PNG}"),
        real=_read_if_there(f"{features}/{feature_names.REAL_PNG}"),
        nearest_pairs=_read_if_there(f"{folder}/{names.NEAREST_PAIRS_PNG}"),
        trajectories=_read_if_there(f"{folder}/{names.TRAJECTORIES_PNG}"),
    )
    page = report.render(content, pictures)
    io_utils.write_string_file(f"{folder}/{names.REPORT_HTML}", page)


def _read_if_there(path: str) -> bytes | None:
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as file:
        return file.read()
