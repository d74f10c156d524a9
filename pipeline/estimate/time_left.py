"""About how long a run still takes, from the moment that its network trains.

What remains then is judging the model and, if it is distilled, its student. It is estimated from
the run itself, so that the first one in a workspace has an estimate too: from the training steps on
this machine as busy as it is, and from the time that the features of the real images took.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.estimate.held_out import held_out
from pipeline.estimate.students import STEP_COST, student_step_cost
from pipeline.pictures.machine import this_machine
from pipeline.registry import lineage
from pipeline.workspace import Workspace
from trainer.common.phases import Phases, roughly
from trainer.common.progress import TRAINING

RUNS = 20  # newest, in which the time of what the cache holds is looked for
FLOAT32_COST = 2.5  # of an evaluation in float32, in those in 16 bits, where these are multiplied

Remark = Callable[[Phases], str]


class _Judging(NamedTuple):
    """What judging models takes.

    Attributes:
        fixed: seconds, however many they are.
        images: that each of them draws.
        models: the number of them.
        evaluations: of the network for an image.
    """

    fixed: float
    images: int
    models: int
    evaluations: int

    def seconds(self, evaluation: float) -> float:
        """Time of judging; `evaluation`: seconds of the network for an image."""
        return self.fixed + self.models * self.images * self.evaluations * evaluation


class TimeLeft:
    """Describes how long a run still takes.

    Args:
        config: of the run.
        workspace: of the run.
    """

    def __init__(self, config: PipelineConfig, workspace: Workspace) -> None:
        self._config, self._workspace = config, workspace
        self._sampling_cost = _sampling_cost(config)  # before a run hides its GPUs
        # Seconds of the nodes after the training, in their order; empty while they are not known.
        self._following: dict[str, float] = {}

    def of_node(self, node: str) -> Remark:
        """Returns what describes the time left while a node runs; empty where it is not known."""
        if node == trainer_names.NODE:
            judging = self._survey()

            def left(phases: Phases) -> float | None:
                training = phases.find(TRAINING)
                if training is None or not training.rate:
                    return None
                step = 1 / training.rate
                self._following = self._after_training(judging, step)
                return training.left + sum(self._following.values())
        elif node in self._following:
            nodes = list(self._following)
            seconds = sum(self._following[each] for each in nodes[nodes.index(node) :])

            def left(phases: Phases) -> float | None:
                return seconds - phases.elapsed()
        else:
            return lambda phases: ""

        def describe(phases: Phases) -> str:
            seconds = left(phases)
            # Beyond the estimate nothing is known any more.
            return f"{roughly(seconds)} left of the run" if seconds and seconds > 0 else ""

        return describe

    def _after_training(self, judging: _Judging, step: float) -> dict[str, float]:
        evaluation = step / self._config.train.batch_size / STEP_COST * self._sampling_cost
        following = {evaluator_names.NODE: judging.seconds(evaluation)}
        distill = self._config.distill
        if distill.enabled:  # of a blessed model, which this one may become
            of_student = step * student_step_cost(self._config)
            steps = distill.steps_for(self._config.train.steps)
            following[trainer_names.STUDENT] = steps * of_student
            # With its teacher; the few evaluations of a student are the lesser part.
            both = judging._replace(models=2)
            following[evaluator_names.STUDENT_NODE] = both.seconds(evaluation)
        return following

    def _survey(self) -> _Judging:
        # They start TensorFlow, which runs by now.
        from pipeline.estimate.nodes import OTHERS, PER_NODE
        from trainer.ode import solvers
        from trainer.ode.guidance import evaluations_per_slope

        runs = lineage.runs(lineage.connect(self._workspace.metadata), last=RUNS)
        features = [
            node.seconds
            for run in runs
            for node in run.nodes
            if node.id == feature_names.NODE and node.state == "done"
        ]
        fixed = PER_NODE[evaluator_names.NODE] + PER_NODE[OTHERS] + sum(features[-1:])
        evaluate, sample = self._config.evaluate, self._config.sample
        accepted = runs[-1].images(example_names.ACCEPTED) or 0
        compared = min(evaluate.samples, accepted * self._config.data.eval_percent // 100)
        try:
            compared = min(evaluate.samples, held_out(runs[-1]))
        except (KeyError, OSError, ValueError):
            logging.exception("The report on the images cannot be read.")
        if self._config.data.unpaired_source:
            try:
                compared = min(compared, held_out(runs[-1], sources=True))
            except (KeyError, OSError, ValueError):
                logging.exception("The report on the sources cannot be read.")
        evaluations = solvers.nfe(solvers.get(sample.solver, sample.grid), sample.nb_step)
        return _Judging(
            fixed,
            images=compared,
            models=1 + any(run.blessed for run in runs),
            evaluations=evaluations * evaluations_per_slope(sample.guidance, sample.autoguidance),
        )


def _sampling_cost(config: PipelineConfig) -> float:
    """What an evaluation costs in sampling, on one device in float32, in those of a training."""
    machine = this_machine()
    in_16_bits = config.train.precision != "float32" and (machine.gpus or machine.bfloat16)
    return max(machine.gpus, 1) * (FLOAT32_COST if in_16_bits else 1.0)
