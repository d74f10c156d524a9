"""Evaluates a candidate: draws, describes, measures, judges and reports."""

import dataclasses
import datetime
import json
import logging
from typing import Any

from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.features import check_available
from components.images.records import load_decoder
from components.real_features import names as feature_names
from components.sample_evaluator import names, sources
from components.sample_evaluator.describe import describe_images
from components.sample_evaluator.evaluation import EvaluatedModel, Evaluation
from components.sample_evaluator.measure.kinds import find_kinds
from components.sample_evaluator.measure.metrics import (
    METRICS,
    compare_spectra,
    has_pairs,
    measure,
    plan,
)
from components.sample_evaluator.measure.tfma_results import write_tfma_results
from components.sample_evaluator.pictures import write_missing_kinds
from components.sample_evaluator.report import page
from components.sample_evaluator.samples.sampler import LoadedSampler, SamplerError, check_sampler
from components.sample_evaluator.verdict import faults, gate, history, summary
from trainer import examples
from trainer.common.progress import phase
from trainer.common.text import ending


def evaluate(evaluation: Evaluation) -> gate.ModelVerdict:
    """Compares a candidate with real images and judges it.

    A model that cannot be sampled is not an error: as a candidate it is not blessed. As a baseline
    it is not compared, and if it is damaged, no candidate is blessed by limits that compare.

    Raises:
        FeatureError: the weights of the feature space are missing or not the pinned ones.
    """
    real, options = evaluation.real, evaluation.options
    check_available(options.features)
    samplers, problems = _load(evaluation)
    sampler = samplers.get(sources.CANDIDATE)
    labels = sampler.labels if sampler else []
    with phase("describing the images"):
        described = describe_images(evaluation, samplers)
    sets = described.sets
    with phase(METRICS):
        if not has_pairs(sets):
            options = options.without_pairs()
        results = measure(sets, plan(options, sets), by_label=bool(labels))
        write_tfma_results(results, options, evaluation.output)
        kinds = find_kinds(
            described.training, sets[sources.REAL], sets.get(sources.CANDIDATE), labels
        )
    if kinds.examples:
        decode = load_decoder(real.transform_graph)
        write_missing_kinds(kinds.examples, real.examples[examples.EVAL], decode, evaluation.output)
    task = sampler and history.task_of(sampler.source)
    earlier = history.earlier_metrics(evaluation, results, task)
    measured = gate.Measured(
        results, options, kinds.kinds, earlier, problems, by_teacher=evaluation.by_teacher
    )
    verdict = gate.judge(measured)
    remarks = list(evaluation.remarks)
    if sources.BASELINE in problems:
        remarks.insert(0, f"the baseline is not compared: {problems[sources.BASELINE]}")
    if unknown := sorted(results[sources.CANDIDATE].classes.keys() - {*labels, ""}):
        remarks.append(faults.unknown_classes(unknown))
    verdict = dataclasses.replace(verdict, warnings=(*remarks, *verdict.warnings))
    content = {
        **summary.summarize(evaluation, measured, verdict),
        "evaluated": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "task": task,
        "nb_step": sampler and sampler.nb_step,
        "spectrum": compare_spectra(sets),
        "seed_distance": described.seed_distance,
    }
    if sources.SOURCE in sets:
        content["answers"] = described.answers
    with phase("writing the report"):
        _write(evaluation.output, content, real.features)
    return verdict


def _load(evaluation: Evaluation) -> tuple[dict[str, LoadedSampler], dict[str, SamplerError]]:
    """The samplers of the models that fit the data, and why the others cannot be sampled."""
    samplers, problems = {}, {}
    for name, model in evaluation.compared.items():
        if isinstance(model, EvaluatedModel):
            shapes = evaluation.shape, evaluation.source_shape
            try:
                samplers[name] = check_sampler(model.sampler, *shapes)
            except SamplerError as error:
                logging.warning("%s", error)
                # Without where the folders are: the model card has it, which is published.
                folder = model.sampler.rstrip("/")
                problems[name] = type(error)(str(error).replace(folder, ending(model.sampler, 3)))
    return samplers, problems


def _write(folder: str, content: dict[str, Any], features: str) -> None:
    text = json.dumps(content, indent=2, allow_nan=False)
    io_utils.write_string_file(f"{folder}/{names.METRICS_JSON}", text + "\n")
    paths = {"real": f"{features}/{feature_names.REAL_PNG}"}
    paths |= {name: f"{folder}/{name}.png" for name in names.PICTURES}
    found = {}
    for name, path in paths.items():
        if fileio.exists(path):  # some pictures are written only where there is something
            with fileio.open(path, "rb") as file:
                found[name] = file.read()
    io_utils.write_string_file(f"{folder}/{names.REPORT_HTML}", page.render(content, found))
