"""One evaluation, from data and models in folders to the verdict and the report."""

import dataclasses
import datetime
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow_transform as tft
from tfx import types
from tfx.utils import io_utils

from components.features import check_available
from components.images.batches import load_decoder
from components.real_features import names as feature_names
from components.sample_evaluator import names, sources
from components.sample_evaluator.describe import RealImages, describe_images
from components.sample_evaluator.files import read_if_there
from components.sample_evaluator.measure.kinds import find_kinds
from components.sample_evaluator.measure.metrics import METRICS, Compared, measure, plan
from components.sample_evaluator.measure.results import SourceResult
from components.sample_evaluator.measure.spectra import compare_spectra
from components.sample_evaluator.measure.tfma_results import write_tfma_results
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.pictures import write_missing_kinds
from components.sample_evaluator.report import page
from components.sample_evaluator.samples.sampler import (
    LoadedSampler,
    OtherDataError,
    SamplerError,
    check_sampler,
)
from components.sample_evaluator.verdict import faults, gate, history, summary
from components.sample_evaluator.verdict.student import limits_of_student
from trainer import examples
from trainer.common.progress import phase
from trainer.common.text import ending


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
    shape = _shape(real.transform_graph, examples.IMAGE)
    unpaired = examples.SOURCE_EVAL in real.examples
    source_shape = shape if unpaired else _shape(real.transform_graph, examples.SOURCE)
    loaded = {
        source: _load(model, shape, source_shape)
        for source, model in compared.items()
        if isinstance(model, EvaluatedModel)
    }
    judged, against = (loaded.get(s, _Loaded()) for s in (sources.CANDIDATE, sources.BASELINE))
    source = judged.sampler and judged.sampler.source
    available = Compared(
        baseline=baseline is not None and not against.problem,
        holdout=examples.HOLDOUT in real.examples,
        translates=source is not None,
        pairs=source is not None and not unpaired,
    )
    if not available.pairs:
        options = options.without_pairs()
    labels = judged.sampler.labels if judged.sampler else []
    with phase("describing the images"):
        described = describe_images(
            real,
            {source: found.sampler for source, found in loaded.items() if found.sampler},
            {name: each.examples for name, each in compared.items() if name not in loaded},
            options,
            shape,
            output,
        )
    sets = described.sets
    with phase(METRICS):
        measurements = plan(options, available)
        results = measure(sets, measurements, available.sources, by_label=bool(labels))
        write_tfma_results(results, options, output)
        real_images = sets.get(sources.REAL)
        kinds = find_kinds(described.training, real_images, sets.get(sources.CANDIDATE), labels)
    if kinds.examples:
        decode = load_decoder(real.transform_graph)
        path = f"{output}/{names.MISSING_KINDS_PNG}"
        write_missing_kinds(kinds.examples, real.examples[examples.EVAL], decode, path)
    task = history.task_of(source)
    models_before = history.earlier_metrics(
        earlier,
        options.features,
        results[sources.REAL].images,
        results.get(sources.HOLDOUT, SourceResult()).images,
        task,
        shape,
    )
    best, dropped = {} if by_teacher else history.best_places(models_before), []
    if by_teacher and sources.BASELINE in results:
        options, dropped = limits_of_student(results, options)
    broken = against.problem if against.broken else None
    verdict = gate.judge(results, options, judged.problem, kinds.kinds, best, dropped, broken)
    if against.problem:
        remarks = (f"the baseline is not compared: {against.problem}", *remarks)
    if unknown := sorted(results[sources.CANDIDATE].classes.keys() - {*labels, ""}):
        remarks = (*remarks, faults.unknown_classes(unknown))
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
        kinds.kinds,
        compare_spectra(sets) if real_images else None,
        models_before,
        best,
        described.answers,
    )
    content["seed_distance"] = described.seed_distance
    with phase("writing the report"):
        _write(output, content, real.features)
    return verdict


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
    pictures = {"real": f"{features}/{feature_names.REAL_PNG}"}
    pictures |= {name: f"{folder}/{file}" for name, file in names.PICTURES.items()}
    found = {name: read_if_there(path) for name, path in pictures.items()}
    html = page.render(content, {name: png for name, png in found.items() if png is not None})
    io_utils.write_string_file(f"{folder}/{names.REPORT_HTML}", html)
