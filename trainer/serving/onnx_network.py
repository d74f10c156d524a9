"""The network of a sampler as ONNX, for programs without TensorFlow.

It is the network, with autoguidance if the model draws with it, and not the loop of a solver, which
takes ten times as long in a graph of ONNX.
"""

import importlib.util
import json
from typing import Any

import tensorflow as tf
from pydantic import ValidationError
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from trainer.common import exit_codes
from trainer.common.progress import phase
from trainer.common.remote_path import to_path
from trainer.light import network_file
from trainer.names import FINGERPRINT, FIXED_STEPS, METADATA, NETWORK
from trainer.ode.options import SampleOptions
from trainer.serving import model_metadata
from trainer.serving.model_metadata import MetadataError
from trainer.serving.stored_model import load_saved_model

OPSET = 18
INPUTS = ("x_alpha", "alpha", "label")
OUTPUT = "difference"


class ExportError(ValueError):
    """A model has no network that can be exported."""

    exit_code = exit_codes.USAGE


def can_convert() -> bool:
    """Whether the libraries for a conversion are installed."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "tf2onnx"))


def write_network(evaluate: tf.types.experimental.ConcreteFunction, folder: str) -> None:
    """Writes a network beside the SavedModel in `folder`; for the arguments see `convert`."""
    content = convert(evaluate, folder)
    with tf.io.gfile.GFile(f"{folder}/{NETWORK}", "wb") as file:
        file.write(content)


def convert_saved_model(folder: str) -> bytes:
    """Converts the network of the sampler SavedModel in `folder`; returns what `convert` does.

    Raises:
        SavedModelError: the model does not load.
        ExportError: it is no sampler.
    """
    model = load_saved_model(to_path(folder))
    if not hasattr(model, "evaluate"):
        raise ExportError(f"{folder} has no network to export: iadb did not train it")
    with phase("converting the network"):
        return convert(model.evaluate, folder)


def convert(evaluate: tf.types.experimental.ConcreteFunction, folder: str) -> bytes:
    """Converts a network to an ONNX file, sealed (trainer/light/network_file.py).

    Args:
        evaluate: Sampler.evaluate.
        folder: of its SavedModel, with the metadata that run_fn writes.

    Returns:
        The content of the file. Its inputs are x_alpha, float32 [N, H, W, C], alpha, float32 [N],
        and in a conditional model label, int64 [N]; its output is difference, float32 [N, H, W, C].

    Raises:
        ExportError: the metadata do not say how the model samples.
    """
    about = _describe(folder)
    frozen = convert_variables_to_constants_v2(evaluate)
    graph = frozen.graph.as_graph_def()
    inputs, outputs = ([t.name for t in tensors] for tensors in (frozen.inputs, frozen.outputs))
    model = _to_onnx(graph, inputs, outputs)
    model.metadata_props.add(key=network_file.METADATA, value=json.dumps(about, sort_keys=True))
    return network_file.seal(model.SerializeToString())


def _to_onnx(graph: graph_pb2.GraphDef, inputs: list[str], outputs: list[str]) -> Any:
    """Converts a frozen graph to an onnx.ModelProto, in which INPUTS and OUTPUT name the tensors.

    As tf2onnx.convert.from_graph_def, without freezing the graph anew and without most of the
    optimizations, which take a third of the time: onnxruntime does as much when it loads the file.
    """
    from tf2onnx import optimizer, tf_loader, tfonnx

    names = [*INPUTS[: len(inputs)], OUTPUT]
    with tf.Graph().as_default() as frozen:
        tf.import_graph_def(tf_loader.tf_optimize(inputs, outputs, graph), name="")
        converted = tfonnx.process_tf_graph(
            frozen,
            input_names=inputs,
            output_names=outputs,
            opset=OPSET,
            tensors_to_rename=dict(zip(inputs + outputs, names, strict=True)),
        )
    optimizers = {
        "fold_constants": optimizer.ConstFoldOptimizer,
        "merge_duplication": optimizer.MergeDuplicatedNodesOptimizer,
        "remove_identity": optimizer.IdentityOptimizer,
    }
    optimized = optimizer.optimize_graph(converted, catch_errors=False, optimizers=optimizers)
    return optimized.make_model("deblend")


def _describe(folder: str) -> dict[str, Any]:
    """The metadata of the file."""
    path = f"{folder}/{METADATA}"
    try:
        about = model_metadata.read(to_path(folder))
    except FileNotFoundError as error:
        raise ExportError(f"{path} is missing; export another version") from error
    except MetadataError as error:
        raise ExportError(f"{path} is damaged ({error}); export another version") from error
    if about.source:
        raise ExportError(f"{folder} translates images: only networks that draw them are exported")
    try:
        sample = SampleOptions.model_validate(about.config["sample"])
    except (KeyError, ValidationError) as error:
        raise ExportError(f"{path} does not say how the model samples") from error
    try:
        with tf.io.gfile.GFile(f"{folder}/{FINGERPRINT}", "rb") as file:
            fingerprint = network_file.fingerprint(file.read())
    except tf.errors.NotFoundError as error:
        raise ExportError(f"{folder}/{FINGERPRINT} is missing; export another version") from error
    return {
        **sample.model_dump(exclude={"limits", "autoguidance", "autoguidance_interval"}),
        "noise": network_file.NOISE,
        FIXED_STEPS: about.fixed_steps,
        "labels": about.labels,
        "fingerprint": fingerprint,
    }
