"""A version of the model, loaded and warmed up."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.garbage import without_garbage_collection
from pipeline.registry.serving import read_model
from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import BYTES, Signature, TensorSpec
from trainer.common.text import shorten
from trainer.names import WARM_UP
from trainer.ode.choice import Choice, ChoiceError
from trainer.serving.stored_model import reason
from trainer.source.options import Source

if TYPE_CHECKING:
    from google.protobuf.message import Message

DEFAULT_SIGNATURE = "serving_default"
NETWORK = "deblend"  # signature of the network alone, which every model has
SOLVER = TensorSpec("solver", BYTES, ())
GUIDANCE = TensorSpec("guidance", np.dtype(np.float64), ())
READ_SOURCE = "read_source"  # of models that translate: what they see of files; not exported
NB_STEP = "nb_step"  # input with the solver steps
NEEDED = (NB_STEP, "limits", "config", "conversion")  # fields of the metadata
WARM_UP_STEPS = 2


class Version:
    """A SavedModel in memory.

    Its memory is free when the last reference is gone, so that requests keep it while they run.

    Args:
        folder: of a SavedModel that `iadb run` pushed.
        number: of the version.

    Attributes:
        folder, number: as given.
        about: its metadata.
        limits: what one request may ask for.
        source: how a model that translates uses its sources; None for one that draws from noise.
        signatures: by name.
        definitions: those that are exported, as TensorFlow's SignatureDef.
        own: how the ODE is solved where a request does not choose; None if none can, since the
            steps of the model are fixed.

    Raises:
        Exception: TensorFlow cannot load it, or it fails a warm-up request; of many types.
    """

    def __init__(self, folder: Path, number: int) -> None:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
        with without_garbage_collection():
            import tensorflow as tf
            from tensorflow.core.protobuf import saved_model_pb2

        self.folder = folder
        self.number = number
        self.about = read_model(folder, *NEEDED).about
        self.limits, self.source = self.about.limits, self.about.source
        self._model = tf.saved_model.load(str(folder))
        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.definitions: dict[str, Message] = {
            name: definition
            for name, definition in stored.meta_graphs[0].signature_def.items()
            if name in self._model.signatures
        }
        self.signatures = {
            name: Signature(name, _specs(definition.inputs), _specs(definition.outputs))
            for name, definition in self.definitions.items()
        }
        self._functions: dict[str, Callable[..., dict[str, tf.Tensor]]] = {
            name: self._model.signatures[name] for name in self.definitions
        }
        self.own = None if self.about.fixed_steps else self.about.choice
        if self.own:
            conditional = "label" in self.signatures[NETWORK].inputs
            optional = {each.name: each for each in (SOLVER, GUIDANCE)[: 1 + conditional]}
            for name, each in self.signatures.items():
                if NB_STEP in each.inputs:
                    self.signatures[name] = replace(each, optional=optional)
        if self.source:
            self._add_read_source(self.source)
        self._warm_up()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        return self.signatures[NETWORK].outputs["difference"].shape[1:]

    @property
    def source_shape(self) -> tuple[int, int, int]:
        """(H, W, S) of a source; only of a model that translates."""
        return self.signatures[READ_SOURCE].outputs["source"].shape[1:]

    def signature(self, name: str) -> Signature:
        """The signature of a name.

        Raises:
            RequestError: there is none.
        """
        if name not in self.signatures:
            raise RequestError(f'Serving signature key "{shorten(name)}" not found.', 404)
        return self.signatures[name]

    def steps(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> int:
        """The solver steps that a request costs, as far as they are known before it runs.

        Raises:
            RequestError: it chooses a solver or guidance that does not exist.
        """
        if NB_STEP in inputs and (choice := self._choice(inputs)):
            steps = int(inputs[NB_STEP])
            return max(steps, -(-steps * choice.cost // self.own.cost))
        if NB_STEP in inputs and not self.about.fixed_steps:
            return int(inputs[NB_STEP])
        own = NB_STEP in inputs or signature.name == DEFAULT_SIGNATURE
        return self.about.nb_step if own else 1

    def most_rows(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> int:
        """How many rows one call with these solver steps may have; 0 if they are too many."""
        if NB_STEP in inputs:
            return self.limits.images_of(max(self.steps(signature, inputs), 1))
        return self.limits.images

    def call(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a signature, by name.

        Raises:
            RequestError: the model rejects the inputs.
        """
        import tensorflow as tf

        specs, choice = self.signatures[signature].inputs, self._choice(inputs)
        try:
            if choice and choice != self.own:
                from trainer.serving.solving import solve

                return solve(signature, self._functions, inputs, choice, self.source)
            tensors = {name: spec.tensor(inputs[name]) for name, spec in specs.items()}
            outputs = self._functions[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise RequestError(reason(error.message)) from None
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def _choice(self, inputs: Mapping[str, np.ndarray]) -> Choice | None:
        """How a request has the ODE solved; None if the steps of the model are fixed.

        Raises:
            RequestError: there is no such solver or guidance.
        """
        if self.own is None:
            return None
        solver, guidance = inputs.get(SOLVER.name), inputs.get(GUIDANCE.name)
        try:
            return self.own.but(
                None if solver is None else solver.item().decode(errors="replace"),
                None if guidance is None else guidance.item(),
            )
        except ChoiceError as error:
            raise RequestError(str(error)) from None

    def _add_read_source(self, source: Source) -> None:
        import tensorflow as tf

        from trainer.serving.request_images import read_sources

        shape = self.image_shape

        files = tf.TensorSpec([None], tf.string, "image_bytes")

        @tf.function(input_signature=[files], autograph=False)
        def read(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"source": read_sources(image_bytes, shape, source)}

        sides = (None, *shape[:2], source.channels(shape[2]))
        self._functions[READ_SOURCE] = read
        self.signatures[READ_SOURCE] = Signature(
            READ_SOURCE,
            {"image_bytes": TensorSpec("image_bytes", BYTES, (None,))},
            {"source": TensorSpec("source", np.dtype(np.uint8), sides)},
        )

    def _warm_up(self) -> None:
        """Calls what is exported: the first call optimizes a graph, which takes seconds."""
        requests = {name: _smallest(self.signatures[name]) for name in self.definitions}
        for name, inputs in (requests | _stored_requests(self.folder / WARM_UP)).items():
            self.call(name, inputs)


def _specs(tensors: Mapping[str, "Message"]) -> dict[str, TensorSpec]:
    """The inputs or outputs of a SignatureDef."""
    import tensorflow as tf

    return {
        name: TensorSpec(
            name,
            np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype),
            tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(tensors.items())
    }


def _smallest(signature: Signature) -> dict[str, np.ndarray]:
    """A request for one image in few steps."""
    inputs = {}
    for name, spec in signature.inputs.items():
        shape = [1 if size is None else size for size in spec.shape]
        value = b"" if spec.dtype == BYTES else WARM_UP_STEPS if name == NB_STEP else 0
        inputs[name] = np.full(shape, value, spec.dtype)
    return inputs


def _stored_requests(file: Path) -> dict[str, dict[str, np.ndarray]]:
    """The requests that a training stored for servers (trainer/serving/warm_up.py)."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    requests = {}
    for record in tf.data.TFRecordDataset(str(file)) if file.is_file() else ():
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in log.inputs.items()}
        requests[log.model_spec.signature_name] = inputs
    return requests
