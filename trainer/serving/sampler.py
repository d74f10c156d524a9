"""The SavedModel that a training exports: images from seeds, or from sources.

It loads without this project installed. An image depends only on its row of a request and not on
the batch, so a server may batch requests.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.labels import NO_LABEL, LabelEncoder
from trainer.names import FIXED_STEPS, METADATA
from trainer.ode import methods, solvers
from trainer.ode.field import autoguided, vector_field
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.serving import png, request_checks, warm_up
from trainer.serving.exported_network import Graph, as_graph, calling, digest
from trainer.serving.request_images import read_sources
from trainer.source.options import Source
from trainer.step.path import blend_noise, noise_from_seeds, part_of_source

Outputs = dict[str, tf.Tensor]


class Sampler(tf.Module):
    """The ODE of a network, with the signatures that are served.

    For a conditional network, every signature takes a `label`, string [N]: the name of a class, or
    an empty string for none. An unknown name fails the call; the error lists the known names.

    A model with sources translates them: its signatures take a source in place of a seed, and a
    seed beside it where a source has several answers (Source.draws_noise).

    A call beyond the limits, or with NaN or infinity in an input, fails. N may be 0 everywhere.

    Args:
        network: maps [x, alpha], or with labels [x, alpha, label], to the difference, as IADBModel
            trains it.
        shape: (H, W, C) of an image.
        sampling: the solver, its steps in signatures without `nb_step`, and guidance.
        labels: names of the classes in the order of their ids.
        limits: what one call of a signature may ask for; by default those of LimitOptions.
        source: what the sources are, and how the network uses them; None for a model without.
        early: the network early in its training, for autoguidance; None for none.
        fixed_steps: whether the network knows no alphas but those at which its own steps begin.
            Then it takes these whatever `nb_step` a request has, and there is no `invert`.

    Attributes:
        evaluate: the network, with autoguidance, as a function of x_alpha, alpha and, if
            conditional, the class id, int64 [N]; also of the loaded SavedModel, for exports.
    """

    def __init__(
        self,
        network: keras.Model,
        shape: tuple[int, int, int],
        sampling: Sampling,
        labels: Sequence[str] = (),
        limits: LimitOptions | None = None,
        source: Source | None = None,
        early: keras.Model | None = None,
        fixed_steps: bool = False,
    ) -> None:
        super().__init__(name="sampler")
        height, width, channels = shape
        self._source = source
        self._draws_noise = source is None or source.draws_noise
        self._sees_source = source is not None and source.use == "condition"  # beside x
        self._source_shape = (height, width, source.channels(channels) if source else 0)
        seen = (height, width, channels + (source.seen_channels(channels) if source else 0))
        self._alone = self.evaluate = as_graph(network, seen, conditional=bool(labels))
        networks, guidance = [network], sampling.guidance
        if early:
            networks.append(early)
            both = (calling(as_graph(each, seen, conditional=bool(labels))) for each in networks)
            guided = autoguided(*both, guidance.auto, guidance.interval)
            self.evaluate = as_graph(guided, seen, conditional=bool(labels))
        # Tracked, so that they are saved. If the Keras models were, TensorFlow would also trace and
        # save the network as in training, with its gradients.
        self._variables = [variable for each in networks for variable in each.variables]
        self._names = tuple(labels)
        self._encode = LabelEncoder(labels) if labels else None
        self._guidance = guidance.label
        self._autoguidance = guidance.auto if early else 1.0
        self._shape = shape
        self._solver = methods.get(sampling.solver, sampling.grid)
        self._nb_step = sampling.nb_step
        self._limits = limits or LimitOptions()
        self._fixed_steps = fixed_steps
        self._weights = digest(*networks)

    def serve(
        self,
        image_bytes: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> Outputs:
        """Draws marked PNG files, string [N], from seeds or from PNG or JPEG files, string [N].

        REST sends base64. A file that is no such image fails the call; the error names its row,
        counted from 0.
        """
        source = None
        if self._source:
            files = request_checks.within(self._limits, image_bytes)
            source = read_sources(files, self._shape, self._source)
        else:
            seed = request_checks.within(self._limits, seed)
        x0, field = self._start(source, seed, label)
        x1 = solvers.solve(self._solver, field, x0, tf.constant(self._nb_step))
        return {"image_bytes": png.encode(preprocessing.to_uint8(x1), self._weights)}

    def generate(
        self,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None = None,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> Outputs:
        """Draws images, uint8 [N, H, W, C], from seeds, int64 [N], or sources, uint8 [N, H, W, S].

        It is the signature `translate` of a model with sources.
        """
        x0, field, nb_step = self._begin(nb_step, seed, source, label)
        x1 = solvers.solve(self._solver, field, x0, nb_step)
        return {"image": preprocessing.to_uint8(x1)}

    def trajectory(
        self,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None = None,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> Outputs:
        """The states on the way of `generate`, uint8 [N, nb_step + 1, H, W, C]."""
        x0, field, nb_step = self._begin(nb_step, seed, source, label)
        states = solvers.trajectory(self._solver, field, x0, nb_step)
        return {"trajectory": preprocessing.to_uint8(tf.transpose(states, [1, 0, 2, 3, 4]))}

    def transport(
        self, x0: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> Outputs:
        """Maps x0, float32 [N, H, W, C], to x1, float32 [N, H, W, C] in about [-1, 1]."""
        x0, nb_step = request_checks.within_steps(self._limits, x0, self._steps(nb_step))
        x0 = request_checks.finite(x0, "x0")
        return {"x1": solvers.solve(self._solver, self._field(x0, label), x0, nb_step)}

    def invert(
        self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None = None
    ) -> Outputs:
        """Maps images, uint8 [N, H, W, C], back to x0, float32 [N, H, W, C].

        With sources, to these without a mask, uint8 [N, H, W, C], in which the noise of
        `model.source_noise` stays.
        """
        image, nb_step = request_checks.within_steps(self._limits, image, nb_step)
        x1 = preprocessing.to_float(image)
        x0 = solvers.solve(self._solver, self._field(x1, label), x1, nb_step, backward=True)
        if not self._source:
            return {"x0": x0}
        return {"source": preprocessing.to_uint8(part_of_source(x0, self._source.noise))}

    def deblend(
        self,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> Outputs:
        """Evaluates the network: x1 - x0, float32 [N, H, W, C], without guidance.

        Args:
            x_alpha: float32 [N, H, W, C], (1 - alpha) x0 + alpha x1.
            alpha: float32 [N], 0 to 1.
            source: uint8 [N, H, W, S], for a network that sees it.
            label: string [N], for a conditional network.
        """
        return self._evaluate_at(self._alone, x_alpha, alpha, source, label)

    def slope(
        self,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None = None,
        label: tf.Tensor | None = None,
    ) -> Outputs:
        """Evaluates the network as `deblend` does, with autoguidance.

        It is for programs that solve the ODE themselves; without autoguidance, there is none.
        """
        return self._evaluate_at(self.evaluate, x_alpha, alpha, source, label)

    def signatures(self) -> Mapping[str, tuple[Callable[..., Outputs], Sequence[tf.TensorSpec]]]:
        """By signature that is saved, its function, and what it takes beside a label."""
        image = tf.TensorSpec([None, *self._shape], tf.uint8, "image")
        x0 = tf.TensorSpec([None, *self._shape], tf.float32, "x0")
        x_alpha = tf.TensorSpec([None, *self._shape], tf.float32, "x_alpha")
        alpha = tf.TensorSpec([None], tf.float32, "alpha")
        steps = tf.TensorSpec([], tf.int32, "nb_step")
        seed = [tf.TensorSpec([None], tf.int64, "seed")] if self._draws_noise else []
        network = [x_alpha, alpha]
        if self._source:
            file = tf.TensorSpec([None], tf.string, "image_bytes")
            source = tf.TensorSpec([None, *self._source_shape], tf.uint8, "source")
            network += [source] if self._sees_source else []
            signatures = {
                "serving_default": (self.serve, [file, *seed]),
                "translate": (self.generate, [source, steps, *seed]),
                "trajectory": (self.trajectory, [source, steps, *seed]),
            }
        else:
            signatures = {
                "serving_default": (self.serve, seed),
                "generate": (self.generate, [*seed, steps]),
                "trajectory": (self.trajectory, [*seed, steps]),
                "transport": (self.transport, [x0, steps]),
            }
        if not self._sees_source and not self._fixed_steps:
            signatures["invert"] = (self.invert, [image, steps])
        signatures["deblend"] = (self.deblend, network)
        if self._autoguidance != 1.0:
            signatures["slope"] = (self.slope, network)
        return signatures

    def save(self, folder: str, metadata: dict[str, Any]) -> None:
        """Writes the SavedModel with its signatures, warm-up requests and the metadata as JSON.

        Adds to the metadata `nfe`, the maximum of network evaluations per image with `nb_step` of
        the constructor, `limits`, `weights`, which is in the mark of each PNG file, `fixed_steps`,
        if so, and for a conditional model `labels`, the names of the classes.
        """
        label = [tf.TensorSpec([None], tf.string, "label")] if self._encode else []
        # No code here branches on tensors, which AutoGraph would take seconds to rewrite.
        signatures = {
            name: tf.function(function, autograph=False).get_concrete_function(
                **{spec.name: spec for spec in (*specs, *label)}
            )
            for name, (function, specs) in self.signatures().items()
        }
        tf.saved_model.save(self, folder, signatures=signatures)
        nfe = self._solver.nfe_per_step * self._nb_step
        nfe *= evaluations_per_slope(self._guidance, self._autoguidance)
        metadata = {**metadata, "nfe": nfe, "limits": self._limits.model_dump()}
        metadata["weights"] = self._weights
        if self._fixed_steps:
            metadata[FIXED_STEPS] = True
        if self._encode:
            metadata["labels"] = list(self._names)
        path = f"{folder}/{METADATA}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "w") as file:
            json.dump(metadata, file, indent=2, sort_keys=True)
        warm_up.write_requests(folder, self._warm_up(signatures.keys()))

    def _warm_up(self, signatures: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
        """Requests for one image, of the signatures that TF Serving supports with batching.

        With batching it rejects the scalar `nb_step` of the others, and then would not load.
        """
        label = {"label": np.array([NO_LABEL])} if self._encode else {}
        served = {"seed": np.zeros(1, np.int64)} if self._draws_noise else {}
        network = {
            "x_alpha": np.zeros([1, *self._shape], np.float32),
            "alpha": np.zeros(1, np.float32),
        }
        if self._source:
            hole = np.zeros([*self._shape[:2], 4], np.uint8)  # all of the image
            served["image_bytes"] = np.array([tf.io.encode_png(hole).numpy()])
        if self._sees_source:
            network["source"] = np.zeros([1, *self._source_shape], np.uint8)
        requests = {"serving_default": served, "deblend": network, "slope": network}
        return {name: {**requests[name], **label} for name in requests if name in signatures}

    def _begin(
        self,
        nb_step: tf.Tensor,
        seed: tf.Tensor | None,
        source: tf.Tensor | None,
        label: tf.Tensor | None,
    ) -> tuple[tf.Tensor, methods.VectorField, tf.Tensor]:
        """x0, the vector field and the steps of a request, if it is within the limits."""
        steps = self._steps(nb_step)
        if self._source:
            source, steps = request_checks.within_steps(self._limits, source, steps)
        else:
            seed, steps = request_checks.within_steps(self._limits, seed, steps)
        return *self._start(source, seed, label), steps

    def _steps(self, asked: tf.Tensor) -> tf.Tensor:
        return tf.constant(self._nb_step) if self._fixed_steps else asked

    def _start(
        self, source: tf.Tensor | None, seed: tf.Tensor | None, label: tf.Tensor | None
    ) -> tuple[tf.Tensor, methods.VectorField]:
        """x0, float32 [N, H, W, C], and the vector field."""
        if not self._source:
            x0 = noise_from_seeds(seed, self._shape)
            return x0, self._field(x0, label)
        x = preprocessing.to_float(source)
        noise = None
        if self._draws_noise:
            seed = request_checks.one_per_image(seed, source, "seed")
            noise = noise_from_seeds(seed, self._shape)
        if self._sees_source:
            return noise, self._field(x, label, x)
        x0 = blend_noise(x[..., : self._shape[-1]], noise, self._source.noise)
        return x0, self._field(x0, label)

    def _field(
        self, x: tf.Tensor, label: tf.Tensor | None, source: tf.Tensor | None = None
    ) -> methods.VectorField:
        ids, network = self._ids(x, label), calling(self.evaluate)
        return vector_field(network, ids, len(self._names), self._guidance, source)

    def _evaluate_at(
        self,
        graph: Graph,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None,
        label: tf.Tensor | None,
    ) -> Outputs:
        """A graph at the states of a request, without classifier-free guidance.

        Guidance does not minimize the error that the network learns.
        """
        if source is not None:
            source = request_checks.one_per_image(source, x_alpha, "source")
            source = preprocessing.to_float(source)
        x_alpha = request_checks.finite(request_checks.within(self._limits, x_alpha), "x_alpha")
        alpha = request_checks.one_per_image(alpha, x_alpha, "alpha")
        field = vector_field(calling(graph), self._ids(x_alpha, label), source=source)
        return {"difference": field(x_alpha, request_checks.finite(alpha, "alpha"))}

    def _ids(self, x: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor | None:
        if not self._encode:
            return None
        return self._encode(request_checks.one_per_image(label, x, "label"))
