"""What all exported models have: one graph of the network, labels, limits, and how they are saved.

They load without this project installed. An image depends only on its row of a request and not on
the batch, so a server may batch requests.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.labels import NO_LABEL, LabelEncoder
from trainer.limit_options import LimitOptions
from trainer.names import METADATA
from trainer.ode import solvers
from trainer.ode.field import Network, autoguided, vector_field
from trainer.ode.guidance import WHOLE, Interval, evaluations_per_slope
from trainer.serving import request_checks, warm_up

# By signature, its function and the specifications of its arguments without the label.
Signatures = Mapping[str, tuple[Callable[..., dict[str, tf.Tensor]], Sequence[tf.TensorSpec]]]

SEED = tf.TensorSpec([None], tf.int64, "seed")
NB_STEP = tf.TensorSpec([], tf.int32, "nb_step")
ALPHA = tf.TensorSpec([None], tf.float32, "alpha")


@dataclass(frozen=True)
class ExportedGuide:
    """The network early in its training, which guides the one that draws.

    Attributes:
        network: takes what the other takes.
        autoguidance: its weight.
        interval: of the alphas at which it guides.
    """

    network: keras.Model
    autoguidance: float
    interval: Interval = WHOLE


def digest(*networks: keras.Model) -> str:
    """Returns 16 hexadecimal digits that tell the weights of networks from others."""
    weights = hashlib.sha256()
    for network in networks:
        for each in network.get_weights():
            weights.update(np.ascontiguousarray(each))
    return weights.hexdigest()[:16]


class ExportedModel(tf.Module):
    """The ODE of a network, with the signatures that are served.

    For a conditional network, every signature takes a `label`, string [N]: the name of a class, or
    an empty string for none. An unknown name fails the call; the error lists the known names.

    A call beyond the limits, or with NaN or infinity in an input, fails. N may be 0 everywhere.

    Args:
        network: maps [x, alpha], or with labels [x, alpha, label], to the difference, as IADBModel
            trains it.
        shape: (H, W, C) of an image.
        solver: a Solver (trainer.ode.solvers.get) or a name in trainer.ode.solvers.SOLVERS.
        nb_step: number of solver steps of signatures without `nb_step`.
        labels: names of the classes in the order of their ids.
        guidance: weight of classifier-free guidance.
        limits: what one call of a signature may ask for; by default those of LimitOptions.
        source_channels: channels of a source that the network sees beside x; 0: none.
        guide: for autoguidance; None for none.

    Attributes:
        evaluate: the network, with autoguidance, as a function of x_alpha, alpha and, if
            conditional, the class id, int64 [N]; also of the loaded SavedModel, for exports.
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
        source_channels: int = 0,
        guide: ExportedGuide | None = None,
    ) -> None:
        super().__init__(name="sampler")
        height, width, channels = shape
        seen = (height, width, channels + source_channels)
        self._alone = self.evaluate = _one_graph(network, seen, conditional=bool(labels))
        networks = [network]
        if guide:
            networks.append(guide.network)
            early = _one_graph(guide.network, seen, conditional=bool(labels))
            both = autoguided(
                _calling(self._alone), _calling(early), guide.autoguidance, guide.interval
            )
            self.evaluate = _one_graph(both, seen, conditional=bool(labels))
        # Tracked, so that they are saved. If the Keras models were, TensorFlow would also trace and
        # save the network as in training, with its gradients.
        self._variables = [variable for each in networks for variable in each.variables]
        self._names = tuple(labels)
        self._encode = LabelEncoder(labels) if labels else None
        self._guidance = guidance
        self._autoguidance = guide.autoguidance if guide else 1.0
        self._shape = shape
        self._solver = solvers.get(solver)
        self._nb_step = nb_step
        self._limits = limits or LimitOptions()
        self._weights = digest(*networks)

    def signatures(self) -> Signatures:
        """The signatures that are saved, which a subclass has."""
        raise NotImplementedError

    def _warm_up(self) -> dict[str, dict[str, np.ndarray]]:
        """Requests for one image, of the signatures that TF Serving supports with batching.

        With batching it rejects the scalar `nb_step` of the others, and then would not load.
        """
        raise NotImplementedError

    def _evaluate_at(
        self,
        graph: tf.types.experimental.ConcreteFunction,
        x_alpha: tf.Tensor,
        alpha: tf.Tensor,
        label: tf.Tensor | None,
        source: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """A graph at the states of a request, without classifier-free guidance.

        Guidance does not minimize the error that the network learns.
        """
        x_alpha = request_checks.finite(request_checks.within(self._limits, x_alpha), "x_alpha")
        alpha = request_checks.one_per_image(alpha, x_alpha, "alpha")
        field = vector_field(_calling(graph), self._ids(x_alpha, label), source=source)
        return {"difference": field(x_alpha, request_checks.finite(alpha, "alpha"))}

    def _field(
        self, x: tf.Tensor, label: tf.Tensor | None, source: tf.Tensor | None = None
    ) -> solvers.VectorField:
        ids = self._ids(x, label)
        return vector_field(_calling(self.evaluate), ids, len(self._names), self._guidance, source)

    def _invert(self, image: tf.Tensor, nb_step: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor:
        """Maps images, uint8 [N, H, W, C], back to x0, float32 [N, H, W, C]."""
        image, nb_step = request_checks.within_steps(self._limits, image, nb_step)
        x1 = preprocessing.to_float(image)
        return solvers.solve(self._solver, self._field(x1, label), x1, nb_step, backward=True)

    def _trajectory(
        self, field: solvers.VectorField, x0: tf.Tensor, nb_step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The states from x0, float32 [N, H, W, C], to the image, uint8 [N, nb_step + 1, ...]."""
        states = solvers.trajectory(self._solver, field, x0, nb_step)
        return {"trajectory": preprocessing.to_uint8(tf.transpose(states, [1, 0, 2, 3, 4]))}

    def _slope(self, function: Callable, specs: Sequence[tf.TensorSpec]) -> Signatures:
        """The signature `slope`, for programs that solve the ODE themselves.

        Without autoguidance, `deblend` tells them the same.
        """
        return {} if self._autoguidance == 1.0 else {"slope": (function, specs)}

    def _ids(self, x: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor | None:
        if not self._encode:
            return None
        return self._encode(request_checks.one_per_image(label, x, "label"))

    def save(self, folder: str, metadata: dict[str, Any]) -> None:
        """Writes the SavedModel with its signatures, warm-up requests and the metadata as JSON.

        Adds to the metadata `nfe`, the maximum of network evaluations per image with `nb_step` of
        the constructor, `limits`, `weights`, which is in the mark of each PNG file, and for a
        conditional model `labels`, the names of the classes.
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
        if self._encode:
            metadata["labels"] = list(self._names)
        path = f"{folder}/{METADATA}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "w") as file:
            json.dump(metadata, file, indent=2, sort_keys=True)
        labels = {"label": np.array([NO_LABEL])} if self._encode else {}
        requests = {name: {**inputs, **labels} for name, inputs in self._warm_up().items()}
        if "slope" in signatures:
            requests["slope"] = requests["deblend"]
        warm_up.write_requests(folder, requests)


def _calling(graph: tf.types.experimental.ConcreteFunction) -> Network:
    """A graph in place of the Keras model that it is of."""

    def call(inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        return graph(*inputs)

    return call


def _one_graph(
    network: Network, shape: tuple[int, int, int], *, conditional: bool
) -> tf.types.experimental.ConcreteFunction:
    """The network as one function, which the SavedModel holds once for all signatures."""
    specs = [tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None], tf.float32)]
    if conditional:
        specs.append(tf.TensorSpec([None], tf.int64))

    @tf.function(input_signature=specs, autograph=False)
    def evaluate(*inputs: tf.Tensor) -> tf.Tensor:
        # A convolution of no images gets a wrong shape from oneDNN, so there is always one.
        count = tf.shape(inputs[0])[0]
        missing = tf.cast(count == 0, tf.int32)
        rows = [tf.concat([t, tf.zeros([missing, *t.shape[1:]], t.dtype)], 0) for t in inputs]
        return network(rows, training=False)[:count]

    return evaluate.get_concrete_function()  # which is saved once; a tf.function would be twice
