"""Images that the benchmarks train on: arrays of a train and a held-out part, and networks."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data import digits, fashion_mnist

DIGITS_NETWORK = {  # of the preset
    "side": 8,
    "image_channels": 1,
    "channels": (32, 64),
    "blocks": 2,
    "attention": (False, True),
    "attention_head_dim": 8,
    "norm_groups": 32,
}
FASHION_NETWORK = {  # small enough for thousands of steps in ten minutes of one CPU core
    "side": 32,
    "image_channels": 1,
    "channels": (16, 32, 32),
    "blocks": 1,
    "attention": (False, False, True),
    "attention_head_dim": 8,
    "norm_groups": 16,
}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Train and held-out images of `digits` or `fashion_mnist`, uint8 [N, H, W, 1].

    Of the 1,797 digits every fifth is held out; Fashion-MNIST comes with 10,000 test images, and is
    framed in black to sides of 32. Its four files are those of the Debian package, or of the folder
    that the variable FASHION_MNIST names.

    Raises:
        DataError: Fashion-MNIST is neither installed nor named.
    """
    with tempfile.TemporaryDirectory() as folder:
        if name == "digits":
            digits.write(Path(folder))
            images = np.stack([_read(path) for path in sorted(Path(folder).rglob("*.png"))])
            held_out = np.arange(len(images)) % 5 == 0
            return images[~held_out], images[held_out]
        fashion_mnist.write(Path(folder), os.environ.get("FASHION_MNIST"))
        parts = [sorted(Path(folder).rglob(f"{part}_*.png")) for part in ("train", "t10k")]
        frame = [(0, 0), (2, 2), (2, 2), (0, 0)]
        train, held_out = (np.pad(np.stack(list(map(_read, paths))), frame) for paths in parts)
        # The files are in the order of their classes, which no shuffle buffer would mix.
        return tuple(np.random.default_rng(0).permutation(part) for part in (train, held_out))


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))[..., None]
