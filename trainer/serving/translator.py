"""The translator SavedModel: images from sources, the product of a run with sources.

An image depends only on its source and its seed, not on its batch.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.limit_options import LimitOptions
from trainer.ode import solvers
from trainer.serving import png, request_checks
from trainer.serving.exported import (
    ALPHA,
    NB_STEP,
    SEED,
    ExportedGuide,
    ExportedModel,
    Signatures,
)
from trainer.serving.request_images import read_sources
from trainer.source.options import Source
from trainer.step.path import blend_noise, noise_from_seeds, part_of_source


class Translator(ExportedModel):
    """The ODE from noise and a source, or from a source itself, to an image.

    Signatures take a `seed`, int64 [N], where a source has several answers (Source.draws_noise).

    Args:
        source: what the sources are, and how the network uses them.
        network, shape, solver, nb_step, labels, guidance, limits, guide: as of ExportedModel.
    """

    def __init__(
        self,
        source: Source,
        network: keras.Model,
        shape: tuple[int, int, int],
        solver: solvers.Solver | str,
        nb_step: int,
        labels: Sequence[str] = (),
        guidance: float = 1.0,
        limits: LimitOptions | None = None,
        guide: ExportedGuide | None = None,
    ) -> None:
        height, width, channels = shape
        seen = source.seen_channels(channels)
        super().__init__(network, shape, solver, nb_step, labels, guidance, limits, seen, guide)
        self._source = source
        self._source_shape = (height, width, source.channels(channels))

    def serve(
        self,
        image_bytes: tf.Tensor,
        seed: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Translates PNG or JPEG files, string [N], to marked PNG files, string [N].

        A file that is no such image fails the call; the error names its row, counted from 0.
        """
        image_bytes = request_checks.within(self._limits, image_bytes)
        sources = read_sources(image_bytes, self._shape, self._source)
        x1 = self._solve(sources, tf.constant(self._nb_step), seed, label)
        return {"image_bytes": png.encode(preprocessing.to_uint8(x1), self._weights)}

    def translate(
        self,
        source: tf.Tensor,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Translates sources, uint8 [N, H, W, S], to images, uint8 [N, H, W, C]."""
        source, nb_step = request_checks.within_steps(self._limits, source, nb_step)
        return {"image": preprocessing.to_uint8(self._solve(source, nb_step, seed, label))}

    def invert(
        self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Maps images, uint8 [N, H, W, C], back to sources, uint8 [N, H, W, C], without a mask.

        The noise of `model.source_noise` stays in them.
        """
        x0 = self._invert(image, nb_step, label)
        return {"source": preprocessing.to_uint8(part_of_source(x0, self._source.noise))}

    def trajectory(
        self,
        source: tf.Tensor,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """The states on the way of `translate`, uint8 [N, nb_step + 1, H, W, C]."""
        source, nb_step = request_checks.within_steps(self._limits, source, nb_step)
        x0, field = self._start(source, seed, label)
        return self._trajectory(field, x0, nb_step)

    def deblend(
        self,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Evaluates the network: x1 - x0, float32 [N, H, W, C], without guidance.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1.
            alpha: float32 [N], 0 to 1.
            source: uint8 [N, H, W, S], for a network that sees it.
            label: string [N], for a conditional network.
        """
        return self._evaluate_at(self._alone, x_alpha, alpha, label, _seen(source, x_alpha))

    def slope(
        self,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Evaluates the network as `deblend` does, with autoguidance."""
        return self._evaluate_at(self.evaluate, x_alpha, alpha, label, _seen(source, x_alpha))

    def _solve(
        self,
        source: tf.Tensor,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None,
        label: tf.Tensor | None,
    ) -> tf.Tensor:
        x0, field = self._start(source, seed, label)
        return solvers.solve(self._solver, field, x0, nb_step)

    def _start(
        self, source: tf.Tensor, seed: tf.Tensor | None, label: tf.Tensor | None
    ) -> tuple[tf.Tensor, solvers.VectorField]:
        """x0, float32 [N, H, W, C], and the vector field."""
        x = preprocessing.to_float(source)
        noise = None
        if self._source.draws_noise:
            seed = request_checks.one_per_image(seed, source, "seed")
            noise = noise_from_seeds(seed, self._shape)
        if self._source.use == "condition":
            return noise, self._field(x, label, x)
        x0 = blend_noise(x[..., : self._shape[-1]], noise, self._source.noise)
        return x0, self._field(x0, label)

    def signatures(self) -> Signatures:
        """The signatures that are saved."""
        condition = self._source.use == "condition"
        seed = [SEED] if self._source.draws_noise else []
        file = tf.TensorSpec([None], tf.string, "image_bytes")
        source = tf.TensorSpec([None, *self._source_shape], tf.uint8, "source")
        x_alpha = tf.TensorSpec([None, *self._shape], tf.float32, "x_alpha")
        image = tf.TensorSpec([None, *self._shape], tf.uint8, "image")
        network = [x_alpha, ALPHA, *([source] if condition else [])]
        signatures = {
            "serving_default": (self.serve, [file, *seed]),
            "translate": (self.translate, [source, NB_STEP, *seed]),
            "trajectory": (self.trajectory, [source, NB_STEP, *seed]),
            "deblend": (self.deblend, network),
            **self._slope(self.slope, network),
        }
        if not condition:
            signatures["invert"] = (self.invert, [image, NB_STEP])
        return signatures

    def _warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        height, width, _ = self._shape
        file = tf.io.encode_png(np.zeros([height, width, 4], np.uint8)).numpy()  # all of it a hole
        seed = {"seed": np.zeros(1, np.int64)} if self._source.draws_noise else {}
        deblend = {
            "x_alpha": np.zeros([1, *self._shape], np.float32),
            "alpha": np.zeros(1, np.float32),
        }
        if self._source.use == "condition":
            deblend["source"] = np.zeros([1, *self._source_shape], np.uint8)
        return {"serving_default": {"image_bytes": np.array([file]), **seed}, "deblend": deblend}


def _seen(source: tf.Tensor | None, x_alpha: tf.Tensor) -> tf.Tensor | None:
    """What the network sees of the sources of a request, float32 [N, H, W, S]."""
    if source is None:
        return None
    return preprocessing.to_float(request_checks.one_per_image(source, x_alpha, "source"))
