"""A peer: IADB as its official code trains and samples, in eager PyTorch.

It uses diffusers' UNet2DModel, unscaled alpha, Adam at 1e-4, the sum of squares as loss, no average
of the weights, and Euler steps on a uniform grid. Runs in the environment of `make parity` as
`official.py NETWORK CHANNELS_LAST`: the network as JSON with the keys of ModelOptions, `side` and
`image_channels`; and 1 or 0.
"""

import json
import os
import sys
import time

import numpy as np
import torch
from diffusers import UNet2DModel
from serve import THREADS, serve
from torch.utils.flop_counter import FlopCounterMode

torch.set_num_threads(THREADS)
NETWORK = json.loads(sys.argv[1])
FORMAT = torch.channels_last if sys.argv[2] == "1" else torch.contiguous_format
SHAPE = (NETWORK["image_channels"], NETWORK["side"], NETWORK["side"])


class Official:
    """A network and its optimizer."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        attention = NETWORK["attention"]
        self.network = UNet2DModel(
            sample_size=NETWORK["side"],
            in_channels=NETWORK["image_channels"],
            out_channels=NETWORK["image_channels"],
            block_out_channels=NETWORK["channels"],
            layers_per_block=NETWORK["blocks"],
            down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
            up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
            norm_num_groups=NETWORK["norm_groups"],
            attention_head_dim=NETWORK["attention_head_dim"],
        ).to(memory_format=FORMAT)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)

    def step(self, x1: torch.Tensor) -> None:
        """Takes one step on a batch of images, float32 [N, C, H, W]."""
        x0 = torch.randn_like(x1)
        alpha = torch.rand(len(x1))
        a = alpha.view(-1, 1, 1, 1)
        difference = self.network((1 - a) * x0 + a * x1, alpha).sample
        loss = torch.sum((difference - (x1 - x0)) ** 2)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def sample(self, x: torch.Tensor, nb_step: int) -> torch.Tensor:
        """Maps noise to images, float32 [N, C, H, W]."""
        for i in range(nb_step):
            alpha = torch.full((len(x),), i / nb_step)
            x = x + self.network(x, alpha).sample / nb_step
        return x


official = Official()


def parameters() -> int:
    """Counts the weights."""
    return sum(p.numel() for p in official.network.parameters())


def gflop(batch_size: int) -> float:
    """Counts the operations of products and convolutions in one step, in GFLOP."""
    with FlopCounterMode(display=False) as counter:
        official.step(torch.randn(batch_size, *SHAPE))
    return counter.get_total_flops() / 1e9


def train(batch_size: int, steps: int) -> float:
    """Times steps, in seconds."""
    x1 = torch.randn(batch_size, *SHAPE).to(memory_format=FORMAT)
    started = time.monotonic()
    for _ in range(steps):
        official.step(x1)
    return time.monotonic() - started


def sample(batch_size: int, nb_step: int) -> float:
    """Times sampling one batch, in seconds."""
    x0 = torch.randn(batch_size, *SHAPE).to(memory_format=FORMAT)
    started = time.monotonic()
    official.sample(x0, nb_step)
    return time.monotonic() - started


def fit(images: str, batch_size: int, flip: bool, until: str, seed: int) -> dict:
    """Trains from scratch on images, uint8 [N, H, W, C], until a file exists; counts steps."""
    global official
    data = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
    started = time.monotonic()
    official = Official(seed)
    steps = 0
    order = torch.empty(0, dtype=torch.int64)
    while not os.path.exists(until):
        if len(order) < batch_size:
            order = torch.randperm(len(data))
        rows, order = order[:batch_size], order[batch_size:]
        x1 = data[rows].float().div(127.5).sub(1).to(memory_format=FORMAT)
        if flip:
            mirrored = (torch.rand(batch_size) < 0.5).view(-1, 1, 1, 1)
            x1 = torch.where(mirrored, x1.flip(3), x1)
        official.step(x1)
        steps += 1
    return {"seconds": time.monotonic() - started, "steps": steps}


def draw(path: str, count: int, batch_size: int, nb_step: int) -> float:
    """Writes samples, float32 [count, H, W, C], to a file; returns the seconds that took."""
    torch.manual_seed(0)
    official.network.eval()
    started = time.monotonic()
    drawn = [
        official.sample(torch.randn(min(batch_size, count - i), *SHAPE), nb_step)
        for i in range(0, count, batch_size)
    ]
    seconds = time.monotonic() - started
    np.save(path, torch.cat(drawn).permute(0, 2, 3, 1).numpy())
    return seconds


serve({f.__name__: f for f in (parameters, gflop, train, sample, fit, draw)})
