"""A peer: IADB as its official code trains and samples, in PyTorch.

It uses diffusers' UNet2DModel, unscaled alpha, Adam at 1e-4, the sum of squares as loss, no average
of the weights, and Euler steps on a uniform grid. Runs in the environment of `make parity` as
`official.py NETWORK [CHANNELS_LAST COMPILED PRECISION]`: the network as JSON with the keys of
ModelOptions, `side` and `image_channels`; 1 or 0; 1 or 0; and `float32` or `bfloat16`. By default
it runs as published: channels first, eagerly, in float32.
"""

import json
import os
import sys
import time

import numpy as np
import torch
from modes import Mode
from serve import serve
from torch.utils.flop_counter import FlopCounterMode
from torch_unet import build, endless_batches, forward_of

NETWORK = json.loads(sys.argv[1])
CHANNELS_LAST, COMPILED, PRECISION = sys.argv[2:] or ("0", "0", "float32")
FORMAT = torch.channels_last if CHANNELS_LAST == "1" else torch.contiguous_format
SHAPE = (NETWORK["image_channels"], NETWORK["side"], NETWORK["side"])


class Official:
    """A network and its optimizer."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network = build(NETWORK, FORMAT)
        self.forward = forward_of(self.network, Mode(COMPILED == "1", PRECISION))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)

    def step(self, x1: torch.Tensor) -> None:
        """Takes one step on a batch of images, float32 [N, C, H, W]."""
        x0 = torch.randn_like(x1)
        alpha = torch.rand(len(x1))
        a = alpha.view(-1, 1, 1, 1)
        difference = self.forward((1 - a) * x0 + a * x1, alpha)
        loss = torch.sum((difference - (x1 - x0)) ** 2)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def sample(self, x: torch.Tensor, nb_step: int) -> torch.Tensor:
        """Maps noise to images, float32 [N, C, H, W]."""
        for i in range(nb_step):
            alpha = torch.full((len(x),), i / nb_step)
            x = x + self.forward(x, alpha) / nb_step
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


def fit(images: str, options: dict, until: str) -> dict[str, float]:
    """Trains from scratch on images, uint8 [N, H, W, C], until a file exists.

    Args:
        images: path of the array.
        options: TrainOptions, of which it takes seed, batch_size and flip.
        until: path of the file.

    Returns:
        Seconds and steps.
    """
    global official
    data = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
    batches = endless_batches(data, options["batch_size"], options["flip"], FORMAT)
    started = time.monotonic()
    official = Official(options["seed"])
    steps = 0
    while not os.path.exists(until):
        official.step(next(batches))
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
