"""A peer: a loop that trains the same network in PyTorch as well and as fast as it can.

It has what ours has: alpha scaled to the embedding, the mean of squares as loss, a linear warm-up
and a cosine decay of the learning rate, clipped gradients, an average of the weights with a
warm-up, and midpoint steps. But it has Adam, and does not see which images are mirrored. Weights
and images are channels last, Adam is fused, and the fastest of PyTorch's modes in a short trial
trains. Runs in the environment of `make parity` as
`strong.py NETWORK`, with the network as for official.py.
"""

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from modes import MODES, Mode
from serve import serve
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel
from torch_unet import build, endless_batches, forward_of

NETWORK = json.loads(sys.argv[1])
SHAPE = (NETWORK["image_channels"], NETWORK["side"], NETWORK["side"])
FORMAT = torch.channels_last
ALPHA_SCALE = 1000.0  # as in ModelOptions
WARMUP_STEPS = 100  # as the shortest trainings of TrainOptions have


class Strong:
    """A network, as one mode runs it, and its optimizer.

    Attributes:
        average: averages the weights.
    """

    def __init__(self, mode: Mode) -> None:
        self._network = build(NETWORK, FORMAT)
        self._forward = forward_of(self._network, mode)

    def start(self, options: dict) -> None:
        """Starts from random weights; a compiled network stays compiled.

        Args:
            options: TrainOptions, of which it takes seed, batch_size, learning_rate, clip_norm and
                ema.
        """
        torch.manual_seed(options["seed"])
        self._network.load_state_dict(build(NETWORK, FORMAT).state_dict())
        self._options = options
        self._optimizer = torch.optim.Adam(self._network.parameters(), fused=True)
        self.average = AveragedModel(self._network, multi_avg_fn=_average(options))
        self._steps = 0

    def step(self, x1: torch.Tensor, progress: float) -> None:
        """Takes one step on a batch, float32 [N, C, H, W], at a progress in [0, 1]."""
        x0 = torch.randn_like(x1)
        alpha = torch.rand(len(x1))
        a = alpha.view(-1, 1, 1, 1)
        difference = self._forward((1 - a) * x0 + a * x1, ALPHA_SCALE * alpha)
        torch.nn.functional.mse_loss(difference, x1 - x0).backward()
        clip_grad_norm_(self._network.parameters(), self._options["clip_norm"])
        self._steps += 1
        warmed_up = min(1, self._steps / WARMUP_STEPS)
        decayed = 0.5 * (1 + math.cos(math.pi * progress))
        self._optimizer.param_groups[0]["lr"] = self._options["learning_rate"] * warmed_up * decayed
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.average.update_parameters(self._network)

    def time(self, x1: torch.Tensor, steps: int) -> float:
        """Times steps, in seconds."""
        started = time.monotonic()
        for _ in range(steps):
            self.step(x1, progress=0)
        return time.monotonic() - started


def _average(options: dict) -> Callable:
    """The step of trainer/step/copies.py."""
    batch_size, ema = options["batch_size"], options["ema"]

    @torch.no_grad()
    def move(averages: list, weights: list, steps: torch.Tensor) -> None:
        images_seen = (int(steps) + 1) * batch_size
        half_life = min(ema["half_life"], ema["warmup"] * images_seen)
        torch._foreach_lerp_(averages, weights, 1 - 0.5 ** (batch_size / half_life))

    return move


strong: Strong


def parameters() -> int:
    """Counts the weights."""
    return sum(p.numel() for p in build(NETWORK, FORMAT).parameters())


def choose(options: dict, steps: int, rounds: int) -> dict[str, float]:
    """Keeps the mode that trains fastest; they take turns, after two steps each to compile.

    Returns:
        The images per second of each mode, in the median of the rounds.
    """
    global strong
    x1 = torch.randn(options["batch_size"], *SHAPE).to(memory_format=FORMAT)
    candidates = {mode: Strong(mode) for mode in MODES}
    for candidate in candidates.values():
        candidate.start(options)
        candidate.time(x1, 2)
    turns = [{mode: c.time(x1, steps) for mode, c in candidates.items()} for _ in range(rounds)]
    seconds = {mode: median(turn[mode] for turn in turns) for mode in candidates}
    strong = candidates[min(seconds, key=seconds.get)]
    return {str(mode): steps * len(x1) / value for mode, value in seconds.items()}


def fit(images: str, options: dict, until: str, seconds: float) -> dict[str, float]:
    """Trains from scratch on images, uint8 [N, H, W, C], until a file exists.

    Compiling was part of the choice.

    Args:
        images: path of the array.
        options: TrainOptions, of which it takes seed and flip beside those of `Strong.start`.
        until: path of the file.
        seconds: the expected time, after which the learning rate is zero.

    Returns:
        Seconds and steps.
    """
    data = torch.from_numpy(np.load(images)).permute(0, 3, 1, 2)
    batches = endless_batches(data, options["batch_size"], options["flip"], FORMAT)
    started = time.monotonic()
    strong.start(options)
    steps = 0
    while not os.path.exists(until):
        strong.step(next(batches), min(1, (time.monotonic() - started) / seconds))
        steps += 1
    return {"seconds": time.monotonic() - started, "steps": steps}


@torch.no_grad()
def draw(path: str, count: int, batch_size: int, alphas: list[float]) -> float:
    """Writes samples, float32 [count, H, W, C], to a file; returns the seconds that took.

    Takes a midpoint step between neighbors in `alphas`, with the average of the weights, eagerly in
    float32.
    """
    torch.manual_seed(0)
    network = strong.average.module.eval()

    def field(x: torch.Tensor, alpha: float) -> torch.Tensor:
        return network(x, torch.full((len(x),), ALPHA_SCALE * alpha)).sample

    started = time.monotonic()
    drawn = []
    for first in range(0, count, batch_size):
        x = torch.randn(min(batch_size, count - first), *SHAPE).to(memory_format=FORMAT)
        for alpha, after in itertools.pairwise(alphas):
            half = (after - alpha) / 2
            x = x + 2 * half * field(x + half * field(x, alpha), alpha + half)
        drawn.append(x)
    seconds = time.monotonic() - started
    np.save(path, torch.cat(drawn).permute(0, 2, 3, 1).numpy())
    return seconds


serve({f.__name__: f for f in (parameters, choose, fit, draw)})
