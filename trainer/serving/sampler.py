"""The sampler SavedModel, the product of a run: images from seeds.

An image depends only on its seed and not on its batch, so a server may batch requests.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.names import FIXED_STEPS
from trainer.ode import solvers
from trainer.serving import png, request_checks
from trainer.serving.exported import (
    ALPHA,
    NB_STEP,
    SEED,
    ExportedModel,
    Signatures,
)
from trainer.step.path import noise_from_seeds


class Sampler(ExportedModel):
    """The ODE between noise and images.

    Args:
        args, kwargs: those of ExportedModel.
        fixed_steps: whether the network knows no alphas but those at which its own steps begin.
            Then it takes these whatever `nb_step` a request has, and there is no `invert`.
    """

    def __init__(self, *args: Any, fixed_steps: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fixed_steps = fixed_steps

    def save(self, folder: str, metadata: dict[str, Any]) -> None:
        """Writes the SavedModel as ExportedModel does, with `fixed_steps`, if so."""
        fixed = {FIXED_STEPS: True} if self._fixed_steps else {}
        super().save(folder, {**metadata, **fixed})

    def generate(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Draws images, uint8 [N, H, W, C], from seeds, int64 [N]."""
        seed, nb_step = request_checks.within_steps(self._limits, seed, self._taken(nb_step))
        return {"image": self._draw(seed, nb_step, label)}

    def serve(self, seed: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Draws marked PNG files, string [N], from seeds, int64 [N]; REST sends base64."""
        seed = request_checks.within(self._limits, seed)
        images = self._draw(seed, tf.constant(self._nb_step), label)
        return {"image_bytes": png.encode(images, self._weights)}

    def transport(
        self, x0: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Maps x0, float32 [N, H, W, C], to x1, float32 [N, H, W, C] in about [-1, 1]."""
        x0, nb_step = request_checks.within_steps(self._limits, x0, self._taken(nb_step))
        x0 = request_checks.finite(x0, "x0")
        return {"x1": solvers.solve(self._solver, self._field(x0, label), x0, nb_step)}

    def invert(
        self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Maps images, uint8 [N, H, W, C], back to x0, float32 [N, H, W, C]."""
        return {"x0": self._invert(image, nb_step, label)}

    def trajectory(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Draws the states from noise to image, uint8 [N, nb_step + 1, H, W, C]; seed int64 [N]."""
        seed, nb_step = request_checks.within_steps(self._limits, seed, self._taken(nb_step))
        x0 = noise_from_seeds(seed, self._shape)
        return self._trajectory(self._field(x0, label), x0, nb_step)

    def deblend(
        self, x_alpha: tf.Tensor, alpha: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Evaluates the network: x1 - x0, float32 [N, H, W, C], without guidance.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1.
            alpha: float32 [N], 0 to 1.
            label: string [N], for a conditional network.
        """
        return self._evaluate_at(self._alone, x_alpha, alpha, label)

    def slope(
        self, x_alpha: tf.Tensor, alpha: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Evaluates the network as `deblend` does, with autoguidance."""
        return self._evaluate_at(self.evaluate, x_alpha, alpha, label)

    def _taken(self, nb_step: tf.Tensor) -> tf.Tensor:
        """The steps that are taken for a request of nb_step."""
        return tf.constant(self._nb_step) if self._fixed_steps else nb_step

    def _draw(self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor:
        x0 = noise_from_seeds(seed, self._shape)
        x1 = solvers.solve(self._solver, self._field(x0, label), x0, nb_step)
        return preprocessing.to_uint8(x1)

    def signatures(self) -> Signatures:
        """The signatures that are saved."""
        x0 = tf.TensorSpec([None, *self._shape], tf.float32, "x0")
        x_alpha = tf.TensorSpec([None, *self._shape], tf.float32, "x_alpha")
        image = tf.TensorSpec([None, *self._shape], tf.uint8, "image")
        invert = {} if self._fixed_steps else {"invert": (self.invert, [image, NB_STEP])}
        return {
            "serving_default": (self.serve, [SEED]),
            "generate": (self.generate, [SEED, NB_STEP]),
            "transport": (self.transport, [x0, NB_STEP]),
            **invert,
            "trajectory": (self.trajectory, [SEED, NB_STEP]),
            "deblend": (self.deblend, [x_alpha, ALPHA]),
            **self._slope(self.slope, [x_alpha, ALPHA]),
        }

    def _warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        x_alpha = np.zeros([1, *self._shape], np.float32)
        return {
            "serving_default": {"seed": np.zeros(1, np.int64)},
            "deblend": {"x_alpha": x_alpha, "alpha": np.zeros(1, np.float32)},
        }
