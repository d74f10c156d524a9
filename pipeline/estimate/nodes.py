"""The estimate of each node of a run: from its cache, an earlier run, or what a batch takes here.

What cannot be timed without running the node is as measured on 2 cores (docs/estimate.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from components import names as tfx_names
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.real_features.artifact import TRAINING_IMAGES
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.pictures import error_by_alpha
from components.sample_evaluator.samples.draw import images_at_once
from components.sample_evaluator.samples.translations import nb_answer, nb_answered
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.estimate.earlier import Earlier, find_earlier
from pipeline.estimate.held_out import expected
from pipeline.estimate.students import student_step_cost
from pipeline.estimate.survey import Survey
from pipeline.estimate.timings import (
    FeatureTimings,
    ModelTimings,
    peak_memory,
    time_features,
    time_model,
)
from pipeline.estimate.training import class_names, training_seconds
from trainer.fit.workers import choose_strategy
from trainer.ode import solvers
from trainer.ode.guidance import evaluations_per_slope

CACHED, TIMED, TYPICAL = "cached", "timed", "typical"  # where an estimate is from
STARTING, OTHERS = "starting", "others"  # rows that are not nodes
# Seconds on 2 cores: of each node by itself, and per image.
PER_NODE = {
    example_names.NODE: 0.5,
    tfx_names.STATISTICS_GEN: 2.3,
    tfx_names.TRANSFORM: 0.5,
    drift_names.NODE: 0.6,
    feature_names.NODE: 1.0,
    trainer_names.NODE: 2.0,
    evaluator_names.NODE: 12.0,
    trainer_names.STUDENT: 2.0,
    evaluator_names.STUDENT_NODE: 12.0,
    OTHERS: 1.0,
}
STUDENTS = {trainer_names.STUDENT, evaluator_names.STUDENT_NODE}
WRITING, STATISTICS, READING, LABELS = 0.0001, 0.00015, 0.0002, 0.00005


@dataclass(frozen=True)
class NodeEstimate:
    """What one node takes.

    Attributes:
        node: its id, STARTING or OTHERS.
        seconds: of its work.
        memory: the largest resident set of the run up to here, in bytes; None if it is not known.
        disk: what it writes, in bytes; None where that is little.
        source: CACHED, TIMED, TYPICAL, or which earlier run.
    """

    node: str
    seconds: float
    memory: int | None
    disk: int | None
    source: str


@dataclass(frozen=True)
class _Amounts:
    """How much there is to do.

    Attributes:
        images: that are accepted, with sources.
        training: of these without sources, in the train split.
        compared: held-out images, and so many samples.
        models: that draw samples.
        holdout: images of data.holdout whose sources each model translates as well.
    """

    images: int
    training: int
    compared: int
    models: int
    holdout: int


def estimate_nodes(config: PipelineConfig, found: Survey) -> list[NodeEstimate]:
    """Estimates the nodes of a run, and times those that no earlier run tells about.

    Args:
        config: of the run; `evaluate.features` is not `auto`.
        found: about it.

    Raises:
        FeatureError: the weights of the feature space are missing or not the pinned ones.
    """
    earlier = find_earlier(found.planned, found.runs)
    amounts = _amounts(config, found)
    start = NodeEstimate(STARTING, found.starting, peak_memory(), None, TIMED)
    rows = [start]
    memory: dict[str, int] = {example_names.NODE: start.memory}
    timed = _time(config, found, amounts, earlier, memory)
    disk = {
        example_names.NODE: found.need.examples,
        feature_names.NODE: found.need.features,
        trainer_names.NODE: found.need.training + found.need.models,
        trainer_names.STUDENT: found.need.student,
    }
    for node in PER_NODE:
        if node in found.cached:
            rows.append(NodeEstimate(node, 0.0, None, None, CACHED))
        elif node in found.planned.properties or node == OTHERS:
            if node in earlier:
                seconds = _scaled(earlier[node], node, config, found, amounts)
                source = f"earlier run of {earlier[node].started:%Y-%m-%d}"
            else:
                seconds, source = timed[node]
            rows.append(NodeEstimate(node, seconds, memory.get(node), disk.get(node), source))
    return rows


def _amounts(config: PipelineConfig, found: Survey) -> _Amounts:
    data, *others = (round(len(each.files) * found.sample.accepted) for each in found.listed)
    sources = round(found.sources * found.sample.accepted)
    percent = config.data.eval_percent
    translated = config.data.holdout and config.source and config.source.paired
    return _Amounts(
        images=round(found.files * found.sample.accepted),
        training=data - expected(data, 0, percent),
        compared=min(config.evaluate.samples, expected(data, sources, percent)),
        models=1 + any(run.blessed for run in found.runs),
        holdout=min(config.evaluate.samples, others[0]) if translated else 0,
    )


def _shuffle_buffers(most: int, found: Survey, amounts: _Amounts) -> int:
    """Bytes of the examples that the Trainer shuffles, of images and of sources without pairs."""
    sources = found.sources * found.sample.accepted
    return round((min(most, amounts.training) + min(most, sources)) * found.sample.example_bytes)


def _time(
    config: PipelineConfig,
    found: Survey,
    amounts: _Amounts,
    earlier: Mapping[str, Earlier],
    memory: dict[str, int],
) -> dict[str, tuple[float, str]]:
    """Seconds of the nodes, and their source; times what is neither cached nor known."""
    known = found.cached | earlier.keys()
    images = amounts.images
    typical = {
        tfx_names.STATISTICS_GEN: STATISTICS * images,
        tfx_names.TRANSFORM: LABELS * images * config.model.conditional,
        drift_names.NODE: READING * images,
        OTHERS: 0.0,
    }
    seconds = {node: (PER_NODE[node] + work, TYPICAL) for node, work in typical.items()}
    ingest = found.files * found.sample.seconds + images * WRITING
    seconds[example_names.NODE] = (PER_NODE[example_names.NODE] + ingest, TIMED)
    needed = {feature_names.NODE, trainer_names.NODE, evaluator_names.NODE} - known
    needed |= (STUDENTS & found.planned.properties.keys()) - known
    if not needed:
        return seconds
    strategy = choose_strategy()  # before anything else starts TensorFlow's devices
    if needed & {feature_names.NODE, evaluator_names.NODE, evaluator_names.STUDENT_NODE}:
        features = time_features(config.evaluate, found.sample.images)
        memory[feature_names.NODE] = features.memory
        work = _real_features(features, amounts)
        seconds[feature_names.NODE] = (PER_NODE[feature_names.NODE] + work, TIMED)
    if needed & {trainer_names.NODE, evaluator_names.NODE, *STUDENTS}:
        labels = class_names(found.sample)
        drawn = images_at_once(config.evaluate.batch_size, config.data.shape)
        model = time_model(config, strategy, found.sample.images, labels, drawn)
        trains = trainer_names.NODE not in found.cached
        held = trains * _shuffle_buffers(config.train.shuffle_buffer, found, amounts)
        memory[trainer_names.NODE] = model.memory + held
        work = training_seconds(config, model)
        seconds[trainer_names.NODE] = (PER_NODE[trainer_names.NODE] + work, TIMED)
        if evaluator_names.NODE in needed:
            memory[evaluator_names.NODE] = model.sampling_memory + held
            work = _evaluation(config, features, model, amounts)
            seconds[evaluator_names.NODE] = (PER_NODE[evaluator_names.NODE] + work, TIMED)
        if trainer_names.STUDENT in needed:
            steps = config.distill.steps_for(config.train.steps)
            train = config.train.model_copy(update={"steps": steps})
            of_student = replace(model, step=model.step * student_step_cost(config))
            work = training_seconds(config.model_copy(update={"train": train}), of_student)
            seconds[trainer_names.STUDENT] = (PER_NODE[trainer_names.STUDENT] + work, TIMED)
        if evaluator_names.STUDENT_NODE in needed:
            # As for two teachers: the few steps of a student are the lesser part.
            work = _evaluation(config, features, model, replace(amounts, models=2))
            node = evaluator_names.STUDENT_NODE
            seconds[node] = (PER_NODE[node] + work, TIMED)
    return seconds


def _real_features(features: FeatureTimings, amounts: _Amounts) -> float:
    described = min(amounts.training, max(TRAINING_IMAGES, amounts.compared))
    return (
        features.loading
        + features.held_out * amounts.compared
        + features.described * described
        + (features.searched + READING) * amounts.training
    )


def _evaluation(
    config: PipelineConfig, features: FeatureTimings, model: ModelTimings, amounts: _Amounts
) -> float:
    """Samples of each model, what describes them and noise, and the error of the network.

    A model that translates draws several answers to some sources, and its sources are described.
    Of pairs, it also draws results for the sources of data.holdout.
    """
    samples = amounts.models * (amounts.compared + amounts.holdout)
    answers = described = 0
    if config.source:
        answered = min(nb_answered(config.data.shape), amounts.compared)
        answers = answered * nb_answer(config.source.draws_noise)
        described = amounts.compared + amounts.holdout + answers
    evaluated = min(error_by_alpha.IMAGES, amounts.compared) * (len(error_by_alpha.EDGES) - 1)
    sample = config.sample
    evaluations = solvers.get(sample.solver, sample.grid).nfe_per_step
    evaluations *= evaluations_per_slope(sample.guidance, sample.autoguidance)
    return (
        amounts.models * model.tracing
        + samples * (sample.nb_step * model.solver_step + features.held_out)
        + answers * sample.nb_step * model.solver_step
        + (amounts.compared + described) * features.described
        + amounts.models * evaluated * model.solver_step / evaluations
    )


def _scaled(
    earlier: Earlier, node: str, config: PipelineConfig, found: Survey, amounts: _Amounts
) -> float:
    """The seconds of an earlier run in proportion to the amounts of this one."""
    files = earlier.run.images(example_names.FILES) or found.images  # without unpaired sources
    ratio = found.images / files
    recorded = {each.id: each.properties for each in earlier.run.nodes}[node]
    if node == trainer_names.NODE:
        ratio = config.train.steps / recorded[trainer_names.STEPS]
    elif node == trainer_names.STUDENT:
        steps = config.distill.steps_for(config.train.steps)
        ratio = steps / recorded[trainer_names.STEPS]
    elif node in (evaluator_names.NODE, evaluator_names.STUDENT_NODE):
        held_out = expected(files, found.sources, config.data.eval_percent)
        teacher = node == evaluator_names.NODE  # a student is always compared with one model
        compared = min(recorded["samples"], held_out) * (earlier.models if teacher else 1)
        ratio = amounts.compared * (amounts.models if teacher else 1) / max(compared, 1)
    return earlier.seconds * ratio
