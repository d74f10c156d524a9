"""Samples and trajectories of a model, by TensorFlow or without it."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from pipeline.drawing.arguments import labels_of, within_limits
from pipeline.drawing.saved_model import load_saved_model
from pipeline.registry.serving import StoredModel
from trainer.common.progress import Report, phase, report
from trainer.common.remote_path import AnyPath
from trainer.light import gpus
from trainer.light.network_file import NetworkFileError
from trainer.light.sampler import LightSampler, has_network

_log = logging.getLogger(__name__)

DRAWING = "drawing"  # the phase
MAX_STATES = 50  # of a trajectory: noise does not compress, and finer steps are invisible
STATE_VALUES = 2**26  # of all states of a batch, 256 MB as float32; a single image may have more

# (seeds int64 [N], nb_step, N labels) -> uint8 [N, ...]
Draw = Callable[[np.ndarray, int, Sequence[str]], np.ndarray]


def draw_samples(
    model: StoredModel,
    seeds: range,
    nb_step: int | None = None,
    batch_size: int = 256,
    label: str | list[str] | None = None,
    *,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
    draw: Draw | None = None,
) -> np.ndarray:
    """Draws images, uint8 [N, H, W, C], one for each seed.

    Args:
        model: a sampler SavedModel.
        seeds: of the images; an image depends on its seed alone.
        nb_step: solver steps; the model's default if None.
        batch_size: images drawn at a time, at most; the limits of the model may allow fewer.
        label: of all images of a conditional model, or one of each; empty for none; by default each
            class in turn.
        light: draw on the CPU without TensorFlow, if the network is beside the model as ONNX and
            onnxruntime is installed; None: unless there is a GPU that TensorFlow can use.
        warn: is called with one line if that network cannot be used, and TensorFlow draws.
        draw: the model, if `load_drawing` has loaded it already.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    nb_step, batch_size = within_limits(model, nb_step, batch_size)
    draw = draw or load_drawing("generate", model.folder, light, warn)
    labels = labels_of(model, seeds, label)
    batches = _in_batches(draw, seeds, nb_step, batch_size, labels)
    first = next(batches)
    images = np.empty((len(seeds), *first.shape[1:]), first.dtype)  # once, as they may be large
    done = 0
    for batch in chain([first], batches):
        images[done : done + len(batch)] = batch
        done += len(batch)
    return images


def draw_trajectories(
    model: StoredModel,
    seeds: range,
    nb_step: int | None = None,
    batch_size: int = 16,
    label: str | list[str] | None = None,
    *,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
    draw: Draw | None = None,
) -> np.ndarray:
    """Draws the trajectories from noise to image, uint8 [N, T, H, W, C], one for each seed.

    T is nb_step + 1, or MAX_STATES where those are fewer: then states are left out evenly, but
    never the noise or the image. The arguments are those of `draw_samples`.
    """
    nb_step, batch_size = within_limits(model, nb_step, batch_size)
    values = math.prod(model.metadata.get("shape", ()))  # of an image
    batch_size = max(1, min(batch_size, STATE_VALUES // (values * (nb_step + 1))))
    draw = draw or load_drawing("trajectory", model.folder, light, warn)
    labels, trajectories = labels_of(model, seeds, label), []
    for states in _in_batches(draw, seeds, nb_step, batch_size, labels):
        length = states.shape[1]
        kept = np.linspace(0, length - 1, min(length, MAX_STATES)).round().astype(int)
        trajectories.append(states[:, kept])
    return np.concatenate(trajectories)


def load_drawing(
    name: str,
    model: AnyPath,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> Draw:
    """Loads a signature of a model, `generate` or `trajectory`; see `draw_samples`.

    Raises:
        SavedModelError: the model is damaged.
    """
    if light is None:  # without a GPU, onnxruntime starts sooner than TensorFlow
        light = gpus.find() is None or not gpus.has_libraries()
    if light and has_network(model):
        try:
            with phase("loading the model"):
                return getattr(LightSampler(model), name)
        except NetworkFileError as error:
            warn(f"{error}; TensorFlow draws the images")

    signature = load_saved_model(model).signatures[name]
    import tensorflow as tf

    _, inputs = signature.structured_input_signature

    def draw(seeds: np.ndarray, nb_step: int, labels: Sequence[str]) -> np.ndarray:
        given = {"label": tf.constant([*labels], tf.string)} if "label" in inputs else {}
        outputs = signature(
            seed=tf.constant(seeds), nb_step=tf.constant(int(nb_step), tf.int32), **given
        )
        (images,) = outputs.values()
        return images.numpy()

    return draw


def _in_batches(
    draw: Draw, seeds: range, nb_step: int, batch_size: int, labels: Sequence[str]
) -> Iterator[np.ndarray]:
    """What is drawn for each batch of seeds."""
    report(Report(DRAWING, expected=len(seeds)))
    for first in range(0, len(seeds), batch_size):
        batch = np.array(seeds[first : first + batch_size], np.int64)
        with phase(DRAWING):
            images = draw(batch, nb_step, labels[first : first + batch_size])
            report(Report(DRAWING, done=len(batch)))
        yield images
