"""Networks small enough for tests, in the formats of users, with random weights."""

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper

from components.features.digest import digest
from components.features.options import FeatureOptions

KERNEL = np.random.default_rng(0).standard_normal((3, 3, 3, 5)).astype(np.float32)  # HWIO
DIMENSION = KERNEL.shape[-1]


def pin(name, path, **settings):
    """The options that name and pin what was written to `path`."""
    return FeatureOptions(name=name, sha256=digest(str(path)), **settings)


def features_of(values):
    """What every network here computes, from float32 [N, H, W, 3]."""
    return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(values, KERNEL, 1, "SAME")), [1, 2]).numpy()


def write_onnx(
    path, shape=("N", 3, 16, 16), dtype=onnx.TensorProto.FLOAT, outputs=1, external=False
):
    """Writes an ONNX model with an input of this shape and type; returns its path."""
    nodes, x = [], "images"
    if dtype != onnx.TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [x], ["cast"], to=onnx.TensorProto.FLOAT))
        x = "cast"
    if shape[1] != 3:
        nodes.append(helper.make_node("Transpose", [x], ["channels_first"], perm=[0, 3, 1, 2]))
        x = "channels_first"
    nodes += [
        helper.make_node("Conv", [x, "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        *(helper.make_node("Flatten", ["pool"], [f"features{i}"]) for i in range(outputs)),
    ]
    kernel = onnx.numpy_helper.from_array(KERNEL.transpose(3, 2, 0, 1).copy(), "kernel")
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [
            helper.make_tensor_value_info(
                f"features{i}", onnx.TensorProto.FLOAT, [shape[0], DIMENSION]
            )
            for i in range(outputs)
        ],
        [kernel],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(
        model, str(path), save_as_external_data=external, location="weights.bin", size_threshold=0
    )
    return path
