"""What a training step of a student takes."""

from pipeline.config.pipeline_config import PipelineConfig
from trainer.ode.guidance import evaluations_per_slope

STEP_COST = 3  # of a training step, in evaluations of the network on as many images


def student_step_cost(config: PipelineConfig) -> float:
    """The time of a training step of a student, in those of its teacher."""
    sample = config.sample
    evaluations = evaluations_per_slope(sample.guidance, sample.autoguidance)
    # The teacher takes a midpoint step, and the student evaluates its network once more.
    return 1.0 + (2 * evaluations + 1) / STEP_COST
