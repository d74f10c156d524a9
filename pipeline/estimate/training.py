"""How long a training takes, and how many steps fit into a time, from a timing of some steps."""

from pipeline.config.pipeline_config import PipelineConfig
from pipeline.estimate.images import Sample, list_files, take_sample
from pipeline.estimate.students import STEP_COST
from pipeline.estimate.timings import ModelTimings, time_model
from trainer.fit.course import HELD_OUT
from trainer.fit.held_out_loss import MEASUREMENTS
from trainer.fit.sample_grid import GRID_SIDE
from trainer.fit.workers import choose_strategy
from trainer.labels import NO_LABEL

SIGNATURES = 5  # of the sampler that is written; its graph is traced for each
CHECKPOINT_SECONDS = 0.3
DRAWN = 8  # samples; a training draws few


def time_training(config: PipelineConfig) -> ModelTimings:
    """Times some steps on images of the configuration's folder; the first to start TensorFlow.

    Raises:
        ImageDataError: the folder has no images that a run would accept.
    """
    strategy = choose_strategy()
    sample = take_sample(list_files(config.data)[0], config.data)
    return time_model(config, strategy, sample.images, class_names(sample), DRAWN)


def class_names(sample: Sample) -> list[str]:
    """The names of the classes in a sample; one of some class if it has none."""
    return sorted({*sample.labels} - {NO_LABEL}) or ["a class"]


def training_seconds(config: PipelineConfig, timings: ModelTimings) -> float:
    """Steps, held-out losses, grids of samples, checkpoints, and the sampler that is written."""
    fixed, per_step = _costs(config, timings)
    return fixed + config.train.steps * per_step


def steps_within(config: PipelineConfig, timings: ModelTimings, seconds: float) -> int:
    """The number of steps that take so many seconds; may be 0 or less."""
    fixed, per_step = _costs(config, timings)
    return int((seconds - fixed) / per_step)


def _costs(config: PipelineConfig, timings: ModelTimings) -> tuple[float, float]:
    """Seconds of a training without its steps, and per step."""
    train = config.train
    samples = GRID_SIDE if config.source else GRID_SIDE**2
    grid = samples * config.sample.nb_step * timings.grid_step
    checkpoints = timings.step / train.checkpoint.every_seconds * CHECKPOINT_SECONDS
    measuring = MEASUREMENTS * HELD_OUT / train.batch_size * timings.step / STEP_COST
    fixed = timings.building + grid + measuring + SIGNATURES * timings.tracing
    return fixed, timings.step + grid / train.grid_every + checkpoints
