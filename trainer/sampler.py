"""The sampler SavedModel: the product of a run, loadable where this project is not installed.

One row, one image: an image depends on its seed alone, not on the batch it came in, so that a
server may batch requests.
"""

import json
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer import preprocessing
from trainer.iadb import evaluations_per_slope, vector_field
from trainer.labels import LabelEncoder
from trainer.ode import solvers

METADATA = "assets.extra/iadb.json"  # beside saved_model.pb, where servers leave extra files alone


def noise_from_seeds(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Gaussian noise, float32 [N, *shape], row by row from int64 [N] seeds, alike on any device."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal(shape, tf.stack([seed, 0]), alg="philox"),
        seeds,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


class Sampler(tf.Module):
    """The ODE between noise and images, with the signatures that are served.

    That of a conditional network takes a `label`, string [N], everywhere: a class's name, or an
    empty string for none. A name that there is not is an error, which tells those there are.

    Args:
        network: from [x, alpha] to the difference, as IADBModel trains it; with labels, from
            [x, alpha, label].
        shape: (H, W, C) of an image.
        solver: as trainer.ode.solvers.get makes it, or a name of trainer.ode.solvers.SOLVERS.
        nb_step: solver steps where a signature does not ask for a number. Of an adaptive solver
            the most it may try, everywhere.
        labels: names of the classes, by their ids.
        guidance: weight of classifier-free guidance.
    """

    def __init__(
        self,
        network: keras.Model,
        shape: tuple[int, int, int],
        solver: solvers.Solver | str,
        nb_step: int,
        labels: Sequence[str] = (),
        guidance: float = 1.0,
    ) -> None:
        super().__init__(name="sampler")
        self._network = network
        self._names = tuple(labels)
        self._encode = LabelEncoder(labels) if labels else None
        self._guidance = guidance
        self._shape = shape
        self._solver = solvers.get(solver)
        self._nb_step = nb_step

    def generate(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Images, uint8 [N, H, W, C], from seeds, int64 [N]."""
        x0 = noise_from_seeds(seed, self._shape)
        x1 = solvers.solve(self._solver, self._field(x0, label), x0, nb_step).x
        return {"image": preprocessing.to_uint8(x1)}

    def serve(self, seed: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """PNG files, string [N], from seeds, int64 [N]; TF Serving's REST sends them as base64."""
        images = self.generate(seed, tf.constant(self._nb_step), label)["image"]
        png = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string))
        return {"image_bytes": png}

    def transport(
        self, x0: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """x1, float32 [N, H, W, C] in about [-1, 1], from x0, float32 [N, H, W, C]."""
        return {"x1": solvers.solve(self._solver, self._field(x0, label), x0, nb_step).x}

    def invert(
        self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """x0, float32 [N, H, W, C], that images, uint8 [N, H, W, C], come from."""
        x1 = preprocessing.to_float(image)
        field = self._field(x1, label)
        return {"x0": solvers.solve(self._solver, field, x1, nb_step, backward=True).x}

    def trajectory(
        self, seed: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The way from noise to image, uint8 [N, nb_step + 1, H, W, C], from int64 [N]."""
        x0 = noise_from_seeds(seed, self._shape)
        states = solvers.trajectory(self._solver, self._field(x0, label), x0, nb_step)
        return {"trajectory": preprocessing.to_uint8(tf.transpose(states, [1, 0, 2, 3, 4]))}

    def deblend(
        self, x_alpha: tf.Tensor, alpha: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The network's x1 - x0, float32 [N, H, W, C], of what is blended.

        Without guidance, which serves samples and spoils what is learned: the least squared error.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1.
            alpha: float32 [N], 0 to 1.
            label: string [N], of a conditional network.
        """
        field = vector_field(self._network, self._ids(x_alpha, label))
        return {"difference": field(x_alpha, alpha)}

    def _field(self, x: tf.Tensor, label: tf.Tensor | None) -> solvers.VectorField:
        ids = self._ids(x, label)
        return vector_field(self._network, ids, len(self._names), self._guidance)

    def _ids(self, x: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor | None:
        if not self._encode:
            return None
        tf.debugging.assert_equal(
            tf.shape(label)[0], tf.shape(x)[0], "a label for each image is needed"
        )
        return self._encode(label)

    def save(self, folder: str, metadata: dict[str, Any]) -> None:
        """Writes the SavedModel with its signatures, and the metadata (JSON) beside it.

        To the metadata it adds `nfe`: network evaluations of an image by default, at most; and, of
        a conditional model, `labels`: the names of the classes.
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
        metadata = {**metadata, "nfe": nfe}
        if self._encode:
            metadata["labels"] = list(self._names)
        path = f"{folder}/{METADATA}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "w") as file:
            json.dump(metadata, file, indent=2, sort_keys=True)
