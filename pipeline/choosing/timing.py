"""How long a training takes here, and how many steps fit into a time, from a few timed steps."""

import itertools
import statistics
import time
from dataclasses import dataclass

import keras
import tensorflow as tf

from pipeline.config.pipeline_config import PipelineConfig
from trainer.build import build_model
from trainer.dataset import to_batch
from trainer.fit.course import HELD_OUT
from trainer.fit.held_out_loss import MEASUREMENTS
from trainer.fit.precision import resolve_precision
from trainer.fit.sample_grid import GRID_SIDE
from trainer.fit.workers import choose_strategy
from trainer.iadb import IADBModel

MIN_STEPS, MAX_STEPS = 4, 40  # of a training, after the first one
STEP_SECONDS = 4.0  # of training, if that many steps take less
SOLVER_STEPS = 2  # that are timed
DRAWN = 8  # samples
TRACES = 6  # of the graph that draws: once in the training, and in the signatures of the sampler
STEP_COST = 3  # of a training step, in evaluations of the network on as many images
CHECKPOINT_SECONDS = 0.3


@dataclass(frozen=True)
class Timings:
    """Seconds.

    Attributes:
        building: of the network, with the compilation of a step.
        step: of a training step.
        tracing: of the function that draws samples.
        solver_step: of a step of the solver, per image.
    """

    building: float
    step: float
    tracing: float
    solver_step: float


def time_training(config: PipelineConfig) -> Timings:
    """Builds the model of a configuration and trains it for a few steps on gray images."""
    strategy = choose_strategy()
    ends: list[float] = []

    def end_step(batch: int, logs: dict) -> None:
        ends.append(time.monotonic())
        model.stop_training = ends[-1] - ends[0] > STEP_SECONDS and len(ends) > MIN_STEPS

    begun = time.monotonic()
    shape, source, conditional = config.data.shape, config.source, config.model.conditional
    train, _ = resolve_precision(config.train, strategy)
    with strategy.scope():
        model = build_model(
            config.model, train, config.sample, shape, 2 if conditional else 0, source
        )
    size = train.batch_size
    images = tf.zeros([size, *shape])
    seen = tf.zeros([size, *shape[:2], model.source_channels or shape[2]]) if source else None
    batch = to_batch(images, tf.zeros(size, tf.int64) if conditional else None, source, seen)
    model.fit(
        tf.data.Dataset.from_tensors(batch).repeat(),
        steps_per_epoch=MAX_STEPS + 1,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=end_step)],
    )
    step = statistics.median(after - before for before, after in itertools.pairwise(ends))
    tracing = _draw_seconds(model, shape, 1, conditional)
    drawing = _draw_seconds(model, shape, SOLVER_STEPS, conditional)
    return Timings(
        building=max(ends[0] - begun - step, 0.0),
        step=step,
        tracing=tracing,
        solver_step=drawing / SOLVER_STEPS / DRAWN,
    )


def training_seconds(config: PipelineConfig, timings: Timings, steps: int) -> float:
    """Steps, held-out losses, grids of samples, checkpoints, and the sampler that is written."""
    fixed, per_step = _costs(config, timings)
    return fixed + steps * per_step


def steps_within(config: PipelineConfig, timings: Timings, seconds: float) -> int:
    """The number of steps that take so many seconds; may be 0 or less."""
    fixed, per_step = _costs(config, timings)
    return int((seconds - fixed) / per_step)


def _draw_seconds(
    model: IADBModel, shape: tuple[int, int, int], nb_step: int, conditional: bool
) -> float:
    """Seconds in which the network in training draws images; the first time, it is traced."""
    label = tf.zeros(DRAWN, tf.int64) if conditional else None
    seen = model.source_channels
    source = tf.zeros([DRAWN, *shape[:2], seen]) if seen else None
    begun = time.monotonic()
    model.transport(tf.zeros([DRAWN, *shape]), tf.constant(nb_step), label, source).numpy()
    return time.monotonic() - begun


def _costs(config: PipelineConfig, timings: Timings) -> tuple[float, float]:
    """Seconds of a training without its steps, and per step."""
    train = config.train
    samples = GRID_SIDE if config.source else GRID_SIDE**2
    grid = samples * config.sample.nb_step * timings.solver_step
    checkpoints = timings.step / train.checkpoint.every_seconds * CHECKPOINT_SECONDS
    measuring = MEASUREMENTS * HELD_OUT / train.batch_size * timings.step / STEP_COST
    fixed = timings.building + grid + measuring + TRACES * timings.tracing
    return fixed, timings.step + grid / train.grid_every + checkpoints
