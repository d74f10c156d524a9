"""The images of the benchmarks, split in train and held-out arrays, and their networks."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data import digits, fashion_mnist

DIGITS_NETWORK = {  # as in the preset
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
    """Loads train and held-out images of `digits` or `fashion_mnist`, uint8 [N, H, W, 1].

    Every fifth of the 1,797 digits is held out; Fashion-MNIST has 10,000 test images and is padded
    with black to 32x32. Its four files are read from the folder in the environment variable
    FASHION_MNIST, or else of the Debian package.

    Raises:
        DataError: Fashion-MNIST is not found.
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
        # The files are sorted by class, which a shuffle buffer would not mix.
        return tuple(np.random.default_rng(0).permutation(part) for part in (train, held_out))


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))[..., None]
