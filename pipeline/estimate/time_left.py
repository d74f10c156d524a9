"""About how long a run still takes, from the moment that its network trains.

Judging the model is what remains then. It is estimated from the run itself, so that the first one
in a workspace has an estimate too: from the training steps on this machine as busy as it is, and
from the time that the features of the real images took.
"""

from collections.abc import Callable

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config import PipelineConfig
from pipeline.registry import lineage
from pipeline.workspace import Workspace
from trainer.common.phases import Phases, roughly
from trainer.common.progress import TRAINING

RUNS = 20  # newest, in which the time of what the cache holds is looked for
STEP_COST = 3  # of a training step, in evaluations of the network on as many images

Remark = Callable[[Phases], str]


class TimeLeft:
    """Describes how long a run still takes.

    Args:
        config: of the run.
        workspace: of the run.
    """

    def __init__(self, config: PipelineConfig, workspace: Workspace) -> None:
        self._config, self._workspace = config, workspace
        self._judging: float | None = None  # seconds of SampleEvaluator; None if not known

    def of_node(self, node: str) -> Remark:
        """Returns what describes the time left while a node runs; empty where it is not known."""
        if node == trainer_names.NODE:
            fixed, images = self._survey()

            def left(phases: Phases) -> float | None:
                training = phases.find(TRAINING)
                if training is None or not training.rate:
                    return None
                step = 1 / training.rate
                self._judging = fixed + images * step / self._config.train.batch_size / STEP_COST
                return (training.total - training.done) * step + self._judging
        elif node == evaluator_names.NODE and self._judging is not None:
            judging = self._judging

            def left(phases: Phases) -> float | None:
                return judging - phases.elapsed()
        else:
            return lambda phases: ""

        def describe(phases: Phases) -> str:
            seconds = left(phases)
            # Beyond the estimate nothing is known any more.
            return f"{roughly(seconds)} left of the run" if seconds and seconds > 0 else ""

        return describe

    def _survey(self) -> tuple[float, int]:
        """What judging takes: seconds, and evaluations of the network on an image."""
        # They start TensorFlow, which runs by now.
        from pipeline.estimate.nodes import OTHERS, PER_NODE
        from trainer.guidance import evaluations_per_slope
        from trainer.ode import solvers

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
        models = 1 + any(run.blessed for run in runs)
        evaluations = solvers.nfe(solvers.get(sample.solver, sample.grid), sample.nb_step)
        evaluations *= evaluations_per_slope(sample.guidance)
        return fixed, models * compared * evaluations
