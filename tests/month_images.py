"""The images that arrive in a simulated month: digits, and photographs as bad data."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images


def digits() -> np.ndarray:
    """Returns the digits with mixed classes, uint8 [1797, 8, 8]."""
    images = np.round(load_digits().images * 255 / 16).astype(np.uint8)
    return images[np.random.RandomState(0).permutation(len(images))]


def photographs(count: int) -> np.ndarray:
    """Returns random crops of scikit-learn's photographs, uint8 [count, 8, 8]."""
    whole = [image.mean(axis=2).astype(np.uint8) for image in load_sample_images().images]
    rng = np.random.RandomState(0)
    details = []
    for index in range(count):
        photograph = whole[index % len(whole)]
        top, left = (rng.randint(0, size - 8) for size in photograph.shape)
        details.append(photograph[top : top + 8, left : left + 8])
    return np.stack(details)


def write(folder: Path, images: np.ndarray) -> None:
    """Writes uint8 [N, H, W] as PNG files to a new folder."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:04}.png")
