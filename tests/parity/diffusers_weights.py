"""Copies the weights of diffusers' UNet2DModel to the network of trainer/networks/unet.py.

Both name their layers by level and block. On the way up, the reference numbers levels from the
lowest resolution, and ours as on the way down. PyTorch stores kernels as [out, in, height, width]
or [out, in], Keras as [height, width, in, out] or [in, out].
"""

import re
from collections.abc import Iterator, Mapping

import keras
import numpy as np

WHOLE_NETWORK = {
    "conv_in": "conv_in",
    "time_dense0": "time_embedding.linear_1",
    "time_dense1": "time_embedding.linear_2",
    "norm_out": "conv_norm_out",
    "conv_out": "conv_out",
}
OF_A_LEVEL = re.compile(
    r"(?P<way>down|mid|up)(?P<level>\d*)_(?P<group>block|attention|downsample|upsample)"
    r"(?P<index>\d*)_?(?P<part>\w*)"
)
GROUPS = {
    "block": "resnets",
    "attention": "attentions",
    "downsample": "downsamplers",
    "upsample": "upsamplers",
}
PARTS = {
    "norm0": "norm1",
    "conv0": "conv1",
    "time": "time_emb_proj",
    "modulation": "time_emb_proj",
    "norm1": "norm2",
    "conv1": "conv2",
    "shortcut": "conv_shortcut",
    "norm": "group_norm",
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "output": "to_out.0",
}


def load(network: keras.Model, state: Mapping[str, np.ndarray], levels: int) -> None:
    """Sets all weights of the network.

    Args:
        network: from trainer.networks.unet.build_unet.
        state: the reference's state_dict.
        levels: number of resolutions of the network.

    Raises:
        KeyError: a weight is missing in the reference.
        ValueError: a weight is missing in the network, or sizes differ.
    """
    unused = set(state)
    for variable, name in _pairs(network, levels):
        unused.remove(name)
        array = state[name]
        axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[array.ndim]
        variable.assign(array.transpose(axes).reshape(variable.shape))
    if unused:
        raise ValueError(f"without a counterpart in the network: {sorted(unused)}")


def _pairs(network: keras.Model, levels: int) -> Iterator[tuple[keras.Variable, str]]:
    """Yields each variable of the network with the name of its counterpart."""
    for layer in network.layers:
        if not layer.weights:
            continue
        module = _module(layer.name, levels)
        weight, bias = layer.weights
        yield weight, f"{module}.weight"
        yield bias, f"{module}.bias"


def _module(layer: str, levels: int) -> str:
    """Returns the reference's name for one of our layers."""
    if layer in WHOLE_NETWORK:
        return WHOLE_NETWORK[layer]
    name = OF_A_LEVEL.fullmatch(layer)
    if name is None:
        raise ValueError(f"no rule for the layer {layer}")
    way, level, group, index, part = name.groups()
    if way == "mid":
        block = "mid_block"
    elif way == "down":
        block = f"down_blocks.{level}"
    else:
        block = f"up_blocks.{levels - 1 - int(level)}"
    if group in ("downsample", "upsample"):
        return f"{block}.{GROUPS[group]}.0.conv"
    module = f"{block}.{GROUPS[group]}.{index or 0}"
    return f"{module}.{PARTS[part]}" if part else module
