"""Models with known faults: disturbed stocks of real images.

The stocks are the digits of scikit-learn, in numbers as in the preset `digits`. All judged models
draw the same images, other ones than the baseline: the hardest case, since what two models share of
the image of a seed cancels in the comparison.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.gate import pictures
from components.sample_evaluator import sources

TRAINING, HELD_OUT = 777, 340  # images
BASELINE_NOISE = 16  # standard deviation in gray levels of 256, as of all noise here
SLIGHT_NOISE = 30  # the smallest, in steps of 2, that is found in 19 of 20 seeds
DISTINCT = 20  # images that a collapsed model draws

# Models, and whether they are to be blessed beside the baseline.
RIGHT = {
    "better": True,
    "equal": True,
    "slightly worse": False,
    "collapsed": False,
    "memorizing": False,
}


class Images(NamedTuple):
    """Images and their classes."""

    pixels: np.ndarray  # uint8 [N, H, W, C]
    labels: np.ndarray  # int [N]

    def take(self, rows):
        return Images(self.pixels[rows], self.labels[rows])


def read_digits():
    """All 1,797, as data/digits.py writes them."""
    return Images(*pictures.read_digits())


def split(images, *counts, seed=0):
    """Draws disjoint sets of so many images."""
    order = np.random.default_rng(seed).permutation(len(images.labels))
    ends = np.cumsum(counts)
    assert ends[-1] <= len(order)
    return [images.take(order[end - n : end]) for n, end in zip(counts, ends, strict=True)]


def noisy(pixels, stddev, seed=0):
    """Adds Gaussian noise."""
    noise = np.random.default_rng(seed).normal(0, stddev, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8)


def without_classes(images, count):
    """Leaves out the classes below `count`."""
    return images.take(images.labels >= count)


def repeated(pixels, distinct):
    """As many images, only so many of them different."""
    return pixels[np.arange(len(pixels)) % distinct]


def plant(seed):
    """Draws the stocks of one seed.

    Returns:
        The pixels of the sources TRAIN, REAL and BASELINE, and those of each model of RIGHT.
    """
    counts = (TRAINING, HELD_OUT, HELD_OUT, HELD_OUT)
    training, real, drawn, others = (
        found.pixels for found in split(read_digits(), *counts, seed=seed)
    )
    stock = {
        sources.TRAIN: training,
        sources.REAL: real,
        sources.BASELINE: noisy(others, BASELINE_NOISE, seed=1000 + seed),
    }
    return stock, {
        "better": drawn,
        "equal": noisy(drawn, BASELINE_NOISE, seed),
        "slightly worse": noisy(drawn, SLIGHT_NOISE, seed),
        "collapsed": repeated(drawn, DISTINCT),
        "memorizing": training[:HELD_OUT],
    }
