"""The sampler SavedModel, the product of a run; it loads without this project installed.

An image depends only on its seed and not on its batch, so a server may batch requests.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.guidance import evaluations_per_slope, vector_field
from trainer.labels import NO_LABEL, LabelEncoder
from trainer.limit_options import LimitOptions
from trainer.names import METADATA
from trainer.ode import solvers
from trainer.serving import request_checks, warm_up


def noise_from_seeds(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Draws Gaussian noise, float32 [N, *shape], from int64 [N] seeds; equal on all devices."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, tf.stack([seed, 0]), alg="philox"),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


class Sampler(tf.Module):
    """The ODE between noise and images, with the signatures that are served.

    For a conditional network, every signature takes a `label`, string [N]: the name of a class, or
    an empty string for none. An unknown name fails the call; the error lists the known names.

    A call beyond the limits, or with NaN or infinity in an input, fails. N may be 0 everywhere.

    Args:
        network: maps [x, alpha], or with labels [x, alpha, label], to the difference, as IADBModel
            trains it.
        shape: (H, W, C) of an image.
        solver: a Solver (trainer.ode.solvers.get) or a name in trainer.ode.solvers.SOLVERS.
        nb_step: number of solver steps of signatures without `nb_step`. For an adaptive solver,
            `nb_step` is always the maximum of attempted steps.
        labels: names of the classes in the order of their ids.
        guidance: weight of classifier-free guidance.
        limits: what one call of a signature may ask for; by default those of LimitOptions.
    """

    def __init__(
        self,
        network: keras.Model,
        shape: tuple[int, int, int],
        solver: solvers.Solver | str,
        nb_step: int,
        labels: Sequence[str] = (),
        guidance: float = 1.0,
        limits: LimitOptions | None = None,
    ) -> None:
        super().__init__(name="sampler")
        self._evaluate = _one_graph(network, shape, conditional=bool(labels))
        self._network = network  # tracked: its weights are saved
        self._names = tuple(labels)
        self._encode = LabelEncoder(labels) if labels else None
        self._guidance = guidance
        self._shape = shape
        self._solver = solvers.get(solver)
        self._nb_step = nb_step
        self._limits = limits or LimitOptions()

    def generate(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Draws images, uint8 [N, H, W, C], from seeds, int64 [N]."""
        seed, nb_step = request_checks.within_steps(self._limits, seed, nb_step)
        return {"image": self._draw(seed, nb_step, label)}

    def serve(self, seed: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Draws PNG files, string [N], from seeds, int64 [N]; TF Serving's REST sends base64."""
        seed = request_checks.within(self._limits, seed)
        images = self._draw(seed, tf.constant(self._nb_step), label)
        png = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string))
        return {"image_bytes": png}

    def transport(
        self, x0: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Maps x0, float32 [N, H, W, C], to x1, float32 [N, H, W, C] in about [-1, 1]."""
        x0, nb_step = request_checks.within_steps(self._limits, x0, nb_step)
        x0 = request_checks.finite(x0, "x0")
        return {"x1": solvers.solve(self._solver, self._field(x0, label), x0, nb_step).x}

    def invert(
        self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Maps images, uint8 [N, H, W, C], back to x0, float32 [N, H, W, C]."""
        image, nb_step = request_checks.within_steps(self._limits, image, nb_step)
        x1 = preprocessing.to_float(image)
        field = self._field(x1, label)
        return {"x0": solvers.solve(self._solver, field, x1, nb_step, backward=True).x}

    def trajectory(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Draws the states from noise to image, uint8 [N, nb_step + 1, H, W, C]; seed int64 [N]."""
        seed, nb_step = request_checks.within_steps(self._limits, seed, nb_step)
        x0 = noise_from_seeds(seed, self._shape)
        states = solvers.trajectory(self._solver, self._field(x0, label), x0, nb_step)
        return {"trajectory": preprocessing.to_uint8(tf.transpose(states, [1, 0, 2, 3, 4]))}

    def deblend(
        self, x_alpha: tf.Tensor, alpha: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Evaluates the network: x1 - x0, float32 [N, H, W, C].

        It uses no guidance, which does not minimize the squared error that the network learns.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1.
            alpha: float32 [N], 0 to 1.
            label: string [N], for a conditional network.
        """
        x_alpha = request_checks.finite(request_checks.within(self._limits, x_alpha), "x_alpha")
        alpha = request_checks.one_per_image(alpha, x_alpha, "alpha")
        field = vector_field(self._evaluate, self._ids(x_alpha, label))
        return {"difference": field(x_alpha, request_checks.finite(alpha, "alpha"))}

    def _draw(self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor:
        x0 = noise_from_seeds(seed, self._shape)
        x1 = solvers.solve(self._solver, self._field(x0, label), x0, nb_step).x
        return preprocessing.to_uint8(x1)

    def _field(self, x: tf.Tensor, label: tf.Tensor | None) -> solvers.VectorField:
        ids = self._ids(x, label)
        return vector_field(self._evaluate, ids, len(self._names), self._guidance)

    def _ids(self, x: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor | None:
        if not self._encode:
            return None
        return self._encode(request_checks.one_per_image(label, x, "label"))

    def save(self, folder: str, metadata: dict[str, Any]) -> None:
        """Writes the SavedModel with its signatures, warm-up requests and the metadata as JSON.

        Adds to the metadata `nfe`, the maximum of network evaluations per image with `nb_step` of
        the constructor, `limits`, and for a conditional model `labels`, the names of the classes.
        """
        seed = tf.TensorSpec([None], tf.int64, "seed")
        nb_step = tf.TensorSpec([], tf.int32, "nb_step")
        x0 = tf.TensorSpec([None, *self._shape], tf.float32, "x0")
        x_alpha = tf.TensorSpec([None, *self._shape], tf.float32, "x_alpha")
        alpha = tf.TensorSpec([None], tf.float32, "alpha")
        image = tf.TensorSpec([None, *self._shape], tf.uint8, "image")
        label = [tf.TensorSpec([None], tf.string, "label")] if self._encode else []
        functions = {
            "serving_default": (self.serve, [seed]),
            "generate": (self.generate, [seed, nb_step]),
            "transport": (self.transport, [x0, nb_step]),
            "invert": (self.invert, [image, nb_step]),
            "trajectory": (self.trajectory, [seed, nb_step]),
            "deblend": (self.deblend, [x_alpha, alpha]),
        }
        signatures = {
            name: tf.function(function).get_concrete_function(*specs, *label)
            for name, (function, specs) in functions.items()
        }
        tf.saved_model.save(self, folder, signatures=signatures)
        nfe = solvers.nfe(self._solver, self._nb_step) * evaluations_per_slope(self._guidance)
        metadata = {**metadata, "nfe": nfe, "limits": self._limits.model_dump()}
        if self._encode:
            metadata["labels"] = list(self._names)
        path = f"{folder}/{METADATA}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "w") as file:
            json.dump(metadata, file, indent=2, sort_keys=True)
        warm_up.write_requests(folder, self._warm_up())

    def _warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        """Requests for one image, of the signatures that TF Serving supports with batching.

        With batching it rejects the scalar `nb_step` of the others, and then would not load.
        """
        label = {"label": np.array([NO_LABEL])} if self._encode else {}
        x_alpha = np.zeros([1, *self._shape], np.float32)
        return {
            "serving_default": {"seed": np.zeros(1, np.int64), **label},
            "deblend": {"x_alpha": x_alpha, "alpha": np.zeros(1, np.float32), **label},
        }


def _one_graph(
    network: keras.Model, shape: tuple[int, int, int], *, conditional: bool
) -> Callable[..., tf.Tensor]:
    """The network as one function, which the SavedModel holds once for all signatures."""
    specs = [tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None], tf.float32)]
    if conditional:
        specs.append(tf.TensorSpec([None], tf.int64))

    @tf.function(input_signature=specs)
    def evaluate(*inputs: tf.Tensor) -> tf.Tensor:
        # A convolution of no images gets a wrong shape from oneDNN, so there is always one.
        count = tf.shape(inputs[0])[0]
        missing = tf.cast(count == 0, tf.int32)
        rows = [tf.concat([t, tf.zeros([missing, *t.shape[1:]], t.dtype)], 0) for t in inputs]
        return network(rows, training=False)[:count]

    return lambda inputs, training: evaluate(*inputs)
