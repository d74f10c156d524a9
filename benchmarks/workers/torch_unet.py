"""What the peers in PyTorch share: their network, how it is run, and their batches."""

from collections.abc import Callable, Iterator

import torch
from diffusers import UNet2DModel
from modes import Mode
from serve import THREADS

torch.set_num_threads(THREADS)

Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def build(network: dict, memory_format: torch.memory_format) -> UNet2DModel:
    """Builds diffusers' network: keys of ModelOptions but for `patch`, `side`, `image_channels`."""
    attention = network["attention"]
    return UNet2DModel(
        sample_size=network["side"],
        in_channels=network["image_channels"],
        out_channels=network["image_channels"],
        block_out_channels=network["channels"],
        layers_per_block=network["blocks"],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
        norm_num_groups=network["norm_groups"],
        attention_head_dim=network["attention_head_dim"],
    ).to(memory_format=memory_format)


def forward_of(network: UNet2DModel, mode: Mode) -> Forward:
    """Makes a function of x, float32 [N, C, H, W], and alpha, [N], to the difference, float32."""
    module = torch.compile(network) if mode.compiled else network

    def forward(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=mode.precision == "bfloat16"):
            return module(x, alpha, return_dict=False)[0].float()

    return forward


def endless_batches(
    data: torch.Tensor, batch_size: int, flip: bool, memory_format: torch.memory_format
) -> Iterator[torch.Tensor]:
    """Yields batches, float32 [batch_size, C, H, W] in [-1, 1], of images, uint8 [N, C, H, W].

    The seed of PyTorch determines the order, and which images are mirrored.
    """
    order = torch.empty(0, dtype=torch.int64)
    while True:
        if len(order) < batch_size:
            order = torch.cat([order, torch.randperm(len(data))])
        rows, order = order[:batch_size], order[batch_size:]
        x1 = data[rows].float().div(127.5).sub(1).to(memory_format=memory_format)
        if flip:
            mirrored = (torch.rand(batch_size) < 0.5).view(-1, 1, 1, 1)
            x1 = torch.where(mirrored, x1.flip(3), x1)
        yield x1
