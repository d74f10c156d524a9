"""The sampler SavedModel, as the evaluator uses it."""

import json
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.common import exit_codes
from trainer.common.text import first_line
from trainer.labels import NO_LABEL
from trainer.names import METADATA

SIGNATURE = "generate"  # what a model needs; what shows more of it where it is there:
TRAJECTORY = "trajectory"
DEBLEND = "deblend"


class SamplerError(ValueError):
    """A model that cannot be sampled; the message says why."""

    exit_code = exit_codes.USAGE


class Sampler:
    """Draws the image of each seed with a sampler SavedModel, at the steps that it states.

    Attributes:
        nb_step: steps of the solver, the default in the model's own metadata.
        labels: that a conditional model knows; none of another.
    """

    def __init__(self, path: str) -> None:
        """Loads the SavedModel in the folder `path`.

        Raises:
            SamplerError: the model or its metadata is missing, damaged, or of another kind.
        """
        self._path = path
        self.nb_step, self.labels = _read_metadata(path)
        try:
            self._model = tf.saved_model.load(path)
            self._generate = self._model.signatures[SIGNATURE]
        except Exception as error:  # TF raises nearly anything on a damaged SavedModel
            raise SamplerError(
                f"{path} does not load as a SavedModel with the signature {SIGNATURE!r}: "
                f"{first_line(error)}"
            ) from error

    def sample(
        self, seeds: np.ndarray, labels: Sequence[str], nb_step: int | None = None
    ) -> np.ndarray:
        """Draws one image a seed.

        Args:
            seeds: int64 [N].
            labels: of the images, N of them. One that the model does not know counts as none, and
                a model that is not conditional hears none.
            nb_step: steps of the solver instead of the model's own.

        Returns:
            uint8 [N, H, W, C].
        """
        steps = self.nb_step if nb_step is None else nb_step
        return self._generate(
            seed=tf.constant(seeds, tf.int64),
            nb_step=tf.constant(steps, tf.int32),
            **self._label_input(labels),
        )["image"].numpy()

    def image_shape(self) -> tuple[int, int, int]:
        """H, W, C of the images, by drawing one in one step.

        Raises:
            SamplerError: the model does not run, or draws no uint8 images.
        """
        try:
            image = self.sample(np.zeros(1, np.int64), self.labels[:1], nb_step=1)
        except Exception as error:  # as above, from whatever ops the model holds
            raise SamplerError(f"{self._path} does not run: {first_line(error)}") from error
        if image.dtype != np.uint8 or image.ndim != 4 or len(image) != 1:
            raise SamplerError(
                f"{self._path} draws {image.shape} of type {image.dtype} for one seed: uint8 "
                "[1, H, W, C] is needed"
            )
        height, width, channels = image.shape[1:]
        return height, width, channels

    def has(self, signature: str) -> bool:
        """Whether the model has the signature TRAJECTORY or DEBLEND; not every one does."""
        return signature in self._model.signatures

    def trajectory(self, seeds: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """The way from noise to image of each seed, at the model's own steps.

        Args:
            seeds: int64 [N].
            labels: as of `sample`.

        Returns:
            uint8 [N, nb_step + 1, H, W, C].
        """
        return self._model.signatures[TRAJECTORY](
            seed=tf.constant(seeds, tf.int64),
            nb_step=tf.constant(self.nb_step, tf.int32),
            **self._label_input(labels),
        )["trajectory"].numpy()

    def deblend(self, x_alpha: np.ndarray, alpha: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """What the network takes x1 - x0 for.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1, images in [-1, 1].
            alpha: float32 [N], 0 to 1.
            labels: as of `sample`.

        Returns:
            float32 [N, H, W, C].
        """
        return self._model.signatures[DEBLEND](
            x_alpha=tf.constant(x_alpha, tf.float32),
            alpha=tf.constant(alpha, tf.float32),
            **self._label_input(labels),
        )["difference"].numpy()

    def _label_input(self, labels: Sequence[str]) -> dict[str, tf.Tensor]:
        if not self.labels:
            return {}
        known = [label if label in self.labels else NO_LABEL for label in labels]
        return {"label": tf.constant(known, tf.string)}


_in_use: weakref.WeakValueDictionary[str, Sampler] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def load_sampler(path: str) -> Sampler:
    """As `Sampler(path)`; while one of this folder is in use in this process, that one.

    Loading costs as much time as drawing hundreds of small images, and several steps of an
    evaluation use the same model. Nothing outlives its users: a folder that is written anew is
    loaded anew.
    """
    with _loading:
        sampler = _in_use.get(path)
        if sampler is None:
            _in_use[path] = sampler = Sampler(path)
        return sampler


def check_sampler(path: str, shape: tuple[int, int, int]) -> Sampler:
    """Loads a model and draws one image in one step, to see that it fits the data.

    Args:
        path: folder of the SavedModel.
        shape: H, W, C of the images in the data.

    Returns:
        The sampler.

    Raises:
        SamplerError: it does not load, does not run, or draws images of another shape.
    """
    sampler = load_sampler(path)
    drawn = sampler.image_shape()
    if drawn != shape:
        raise SamplerError(f"{path} draws images {drawn}, the data hold {shape}")
    return sampler


def _read_metadata(path: str) -> tuple[int, list[str]]:
    """The model's `nb_step` and its `labels`."""
    file = f"{path}/{METADATA}"
    try:
        with tf.io.gfile.GFile(file) as stream:
            metadata: dict[str, Any] = json.load(stream)
        nb_step, labels = metadata["nb_step"], metadata.get("labels", [])
    except (tf.errors.OpError, ValueError, KeyError, TypeError) as error:
        raise SamplerError(f"{file} states no nb_step: {first_line(error)}") from error
    if type(nb_step) is not int or nb_step < 1:
        raise SamplerError(f"{file} states nb_step={nb_step!r}: a positive integer is needed")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise SamplerError(f"{file} states labels={labels!r}: a list of names is needed")
    return nb_step, labels
