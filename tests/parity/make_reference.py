"""Writes weights, inputs and outputs of diffusers' UNet2DModel as NumPy archives.

    python tests/parity/make_reference.py FOLDER NAME...

Runs in a separate environment (`make parity`) with torch and diffusers but without this project.
Each configuration is therefore written twice: here in the reference's terms, and in comparison.py
in this project's. FOLDER/NAME.npz contains, without pickle:

    weights/...   float16, each entry of the state_dict by its name
    x             float32 [N, H, W, C], alpha float32 [N]
    output        float32 [N, H, W, C], computed in float32 with these weights

The committed fixtures/tiny.npz and scale_shift.npz were written by `... tests/parity/fixtures tiny`
and `... scale_shift` with diffusers 0.42.1 and torch 2.13.0.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DModel

DOWN, ATTENTION_DOWN = "DownBlock2D", "AttnDownBlock2D"
UP, ATTENTION_UP = "UpBlock2D", "AttnUpBlock2D"

CONFIGURATIONS = {
    # Three levels with few weights: attention only in the middle one, two of equal width.
    "tiny": {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": (4, 8, 8),
        "layers_per_block": 1,
        "down_block_types": (DOWN, ATTENTION_DOWN, DOWN),
        "up_block_types": (UP, ATTENTION_UP, UP),
        "norm_num_groups": 2,
        "attention_head_dim": 2,
    },
    "scale_shift": {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": (4, 8),
        "layers_per_block": 1,
        "down_block_types": (DOWN, ATTENTION_DOWN),
        "up_block_types": (ATTENTION_UP, UP),
        "norm_num_groups": 2,
        "attention_head_dim": 2,
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 2,  # otherwise the attention in the middle would have no norm then
    },
    "small": {
        "sample_size": 16,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": (DOWN, ATTENTION_DOWN),
        "up_block_types": (ATTENTION_UP, UP),
    },
    # As in the official IADB code for 64x64 RGB images; the rest is diffusers' default.
    "published": {
        "sample_size": 64,
        "block_out_channels": (128, 128, 256, 256, 512, 512),
        "down_block_types": (DOWN, DOWN, DOWN, DOWN, ATTENTION_DOWN, DOWN),
        "up_block_types": (UP, ATTENTION_UP, UP, UP, UP, UP),
        "add_attention": True,
    },
}
BATCH = 2


@torch.no_grad()
def write(name: str, path: Path) -> None:
    """Writes the archive of one configuration."""
    torch.manual_seed(0)
    network = UNet2DModel(**CONFIGURATIONS[name]).eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:  # norms start as ones and zeros, which would hide a wrong order
            parameter.add_(0.1 * torch.randn_like(parameter))
        parameter.copy_(parameter.half())

    size, channels = network.config.sample_size, network.config.in_channels
    x = torch.randn(BATCH, channels, size, size)
    alpha = torch.rand(BATCH)
    output = network(x, alpha).sample
    np.savez_compressed(
        path,
        x=x.permute(0, 2, 3, 1).numpy(),
        alpha=alpha.numpy(),
        output=output.permute(0, 2, 3, 1).numpy(),
        **{f"weights/{key}": value.half().numpy() for key, value in network.state_dict().items()},
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        write(name, folder / f"{name}.npz")
