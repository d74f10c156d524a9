"""What the parts of a run take here, from one batch or a few steps of each. Writes nothing."""

import itertools
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from components.features.options import SEARCH_SPACE
from components.images.batches import ImageBatch
from components.images.features import ExtractFeatures
from components.real_features.options import RealFeaturesOptions
from pipeline.config.pipeline_config import PipelineConfig
from trainer import examples
from trainer.build import build_model
from trainer.dataset import to_batch
from trainer.fit.precision import resolve_precision
from trainer.iadb import IADBModel
from trainer.preprocessing import to_float
from trainer.serving.export import exported_guide, exported_model
from trainer.source.degrade import degrade

MIN_STEPS, MAX_STEPS = 4, 40  # of a training, after the first one
STEP_SECONDS = 4.0  # of training, if that many steps take less
SOLVER_STEPS = 2  # that are timed
WARM_UP = 8  # images, with which feature spaces are compiled
UNKNOWN_KEY = bytes(8)


@dataclass(frozen=True)
class FeatureTimings:
    """Seconds of the feature spaces.

    Attributes:
        loading: of the spaces, with their compilation.
        held_out: per held-out image or sample, with the views in which copies are searched.
        described: per training image, or image of noise, whose features are compared.
        searched: per training image, in the space in which copies are searched.
        memory: peak of this process up to here, in bytes.
    """

    loading: float
    held_out: float
    described: float
    searched: float
    memory: int


@dataclass(frozen=True)
class ModelTimings:
    """Seconds of a training, and of drawing samples.

    Attributes:
        building: of the network, with the compilation of a step.
        step: of one training step.
        tracing: of the function that draws samples, with a first image.
        solver_step: of a step of the solver, per image, by the model that is exported.
        grid_step: the same by the network in training.
        memory: peak of this process after the training steps, in bytes.
        sampling_memory: the same after samples were drawn.
    """

    building: float
    step: float
    tracing: float
    solver_step: float
    grid_step: float
    memory: int
    sampling_memory: int


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def time_features(options: RealFeaturesOptions, images: np.ndarray) -> FeatureTimings:
    """Describes a batch of images in each of the ways of RealFeatures and SampleEvaluator.

    Args:
        options: size of a batch, and feature space, which is not `auto`.
        images: uint8 [N, H, W, C]; repeated to fill the batch.

    Raises:
        FeatureError: the weights of the feature space are missing or not the pinned ones.
    """
    filled = fill_batch(images, options.batch_size)

    def describe(source: str, extract: ExtractFeatures, pixels: np.ndarray = filled) -> list:
        keys, labels = [UNKNOWN_KEY] * len(pixels), [""] * len(pixels)
        return [*extract.process(ImageBatch(source, keys, labels, pixels))]

    def load() -> None:
        compared.setup()
        search.setup()
        describe(examples.EVAL, compared, filled[:WARM_UP])

    compared = ExtractFeatures(options.features, [examples.EVAL])
    search = ExtractFeatures(SEARCH_SPACE, statistics=False)
    loading = _seconds(load)
    held_out, described, searched = (
        _seconds(lambda source=source, extract=extract: describe(source, extract)) / len(filled)
        for source, extract in (
            (examples.EVAL, compared),
            (examples.TRAIN, compared),
            (examples.TRAIN, search),
        )
    )
    return FeatureTimings(loading, held_out, described, searched, peak_memory())


def time_model(
    config: PipelineConfig,
    strategy: tf.distribute.Strategy,
    images: np.ndarray,
    labels: Sequence[str],
    drawn: int,
) -> ModelTimings:
    """Builds the model of a configuration, trains it for a few steps and draws samples.

    Args:
        config: of a run.
        strategy: that shares a batch among devices.
        images: uint8 [N, H, W, C]; repeated to fill a batch.
        labels: names of the classes; used for a conditional model alone.
        drawn: number of samples, at most as many as one request may draw.
    """
    names = [*labels] if config.model.conditional else []
    ends: list[float] = []

    def end_step(batch: int, logs: dict) -> None:
        ends.append(time.monotonic())
        model.stop_training = ends[-1] - ends[0] > STEP_SECONDS and len(ends) > MIN_STEPS

    begun = time.monotonic()
    shape = config.data.shape
    train, _ = resolve_precision(config.train, strategy)
    with strategy.scope():
        model = build_model(config.model, train, config.sample, shape, len(names), config.source)
    pixels = tf.constant(fill_batch(images, config.train.batch_size))
    source = config.source
    before = degrade(pixels, source.degradation) if source and source.degradation else pixels
    batch = to_batch(
        to_float(pixels),
        tf.zeros(len(pixels), tf.int64) if names else None,
        source,
        to_float(before) if source else None,
    )
    model.fit(
        tf.data.Dataset.from_tensors(batch).repeat(),
        steps_per_epoch=MAX_STEPS + 1,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=end_step)],
    )
    step = statistics.median(after - before for before, after in itertools.pairwise(ends))
    memory = peak_memory()
    draw = _drawing(config, model, shape, names)
    count = min(drawn, config.sample.limits.images_of(config.sample.nb_step))
    tracing = _seconds(lambda: draw(1, 1))
    solver_step = _seconds(lambda: draw(count, SOLVER_STEPS)) / SOLVER_STEPS / count
    grid_step = solver_step
    if train.precision != "float32":
        grid_step = _time_grid(model, (count, *shape), conditional=bool(names))
    return ModelTimings(
        building=max(ends[0] - begun - step, 0.0),
        step=step,
        tracing=tracing,
        solver_step=solver_step,
        grid_step=grid_step,
        memory=memory,
        sampling_memory=peak_memory(),
    )


def fill_batch(images: np.ndarray, size: int) -> np.ndarray:
    """Repeats images, [N, ...], to a batch, [size, ...]."""
    return images[np.arange(size) % len(images)]


def _drawing(
    config: PipelineConfig, model: IADBModel, shape: tuple[int, int, int], labels: Sequence[str]
) -> Callable[[int, int], None]:
    """A function that draws so many images in so many solver steps."""
    exported = exported_model(
        config.source,
        model.sampling_network,
        shape,
        model.solver,
        config.sample.nb_step,
        labels,
        config.sample.guidance,
        config.sample.limits,
        guide=exported_guide(model),
    )
    function, specs = exported.signatures()["translate" if config.source else "generate"]
    specs = [*specs, *([tf.TensorSpec([None], tf.string, "label")] if labels else [])]
    # For any number of images, as in the model that a run writes: traced once.
    traced = tf.function(function).get_concrete_function(**{spec.name: spec for spec in specs})

    def draw(count: int, nb_step: int) -> None:
        rows = {
            spec.name: tf.zeros([count, *spec.shape[1:]], spec.dtype)
            for spec in specs
            if spec.shape.rank
        }
        traced(**rows, nb_step=tf.constant(nb_step))["image"].numpy()

    return draw


def _time_grid(model: IADBModel, shape: tuple[int, int, int, int], conditional: bool) -> float:
    """Seconds of a solver step per image, of [N, H, W, C] drawn in the precision of a training."""
    label = tf.zeros(shape[:1], tf.int64) if conditional else None
    seen = model.source_channels
    source = tf.zeros([*shape[:3], seen]) if seen else None

    def draw(nb_step: int) -> None:
        model.transport(tf.zeros(shape), tf.constant(nb_step), label, source).numpy()

    draw(1)
    return _seconds(lambda: draw(SOLVER_STEPS)) / SOLVER_STEPS / shape[0]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
