"""Models of the calibration: good ones and ones with a known fault, made of real images."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from PIL import Image

from benchmarks.gate.pictures import Pictures, Split
from components.sample_evaluator.samples.draw import noise_pixels

BLUR = 1.0  # pixels
CHECKERBOARD = 12  # gray levels of 256, as all levels
NOISE = 30
CONTRAST = 0.7
RARE = 0.09  # of its share, for one class
NOISE_SHARE, COLLAPSED_SHARE, DISTINCT = 0.3, 0.9, 20
TINY = 7  # pixels
NOISE_SEED = 1 << 20  # of the first image; those below are the noise of the gate

Rows = np.ndarray  # int [N], of a data set
Parts = list[tuple[str, Rows]]  # variants of images, and of which rows


def blurred(images: np.ndarray, sigma: float = BLUR) -> np.ndarray:
    """Blurs images uint8 [N, H, W, C] by a Gaussian, sigma in pixels."""
    smooth = scipy.ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma, 0))
    return _to_uint8(smooth)


def checkered(images: np.ndarray) -> np.ndarray:
    """Adds a checkerboard, as some upsampling leaves it."""
    board = np.indices(images.shape[1:3]).sum(axis=0) % 2 * 2 - 1
    return _to_uint8(images + CHECKERBOARD * board[:, :, None])


def mirrored(images: np.ndarray) -> np.ndarray:
    """Mirrors left to right."""
    return images[:, :, ::-1]


def shifted(images: np.ndarray) -> np.ndarray:
    """Shifts by a pixel to the right; the border is repeated."""
    return np.concatenate([images[:, :, :1], images[:, :, :-1]], axis=2)


def flattened(images: np.ndarray) -> np.ndarray:
    """Replaces the pixels of each image by their mean color."""
    return _to_uint8(np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape))


def enlarged(images: np.ndarray) -> np.ndarray:
    """Reduces to TINY pixels and enlarges again."""
    side = images.shape[1:3]

    def enlarge(image: np.ndarray) -> np.ndarray:
        tiny = Image.fromarray(image.squeeze()).resize((TINY, TINY), Image.Resampling.BOX)
        return np.asarray(tiny.resize(side[::-1], Image.Resampling.BICUBIC)).reshape(image.shape)

    return np.stack([enlarge(image) for image in images])


def faded(images: np.ndarray) -> np.ndarray:
    """Lowers the contrast, around the middle gray."""
    return _to_uint8(127.5 + CONTRAST * (images - 127.5))


def noisy(images: np.ndarray, stddev: float, rows: Rows) -> np.ndarray:
    """Adds Gaussian noise that the row of an image decides."""
    shape = images.shape[1:]
    noise = [np.random.default_rng(int(row)).standard_normal(shape) for row in rows]
    return _to_uint8(images + stddev * np.stack(noise))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@functools.cache
def pairs(count: int) -> np.ndarray:
    """Pairs of rows of `count` images whose means are a variant: two of each image on average."""
    return np.random.default_rng(0).integers(0, count, (2 * count, 2))


def draw(variant: str, images: np.ndarray, rows: Rows) -> np.ndarray:
    """Draws a variant of the rows of a data set, uint8 [N, H, W, C].

    Args:
        variant: `real`, a name in PLAIN, `noise`, `mean` or `noisy LEVEL`.
        images: all of the data set.
        rows: of the images; for `mean` those of `pairs`.
    """
    if variant == "mean":
        both = images[pairs(len(images))[rows]].astype(float)
        return _to_uint8(both.mean(axis=1))
    if variant == "noise":
        seeds = [NOISE_SEED + int(row) for row in rows]
        return noise_pixels(seeds, images.shape[1:])
    if variant.startswith("noisy "):
        return noisy(images[rows], float(variant.split()[1]), rows)
    return PLAIN[variant](images[rows])


PLAIN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "real": lambda images: images,
    "blurred": blurred,
    "checkered": checkered,
    "mirrored": mirrored,
    "shifted": shifted,
    "flattened": flattened,
    "enlarged": enlarged,
    "swapped": lambda images: images[..., ::-1],
    "upside down": lambda images: images[:, ::-1],
    "faded": faded,
}


def _pool(parts: Split) -> Rows:
    return np.concatenate([parts.aside, parts.other])


def _aside(variant: str) -> Callable[[Pictures, Split, int], Parts]:
    return lambda pictures, parts, seed: [(variant, parts.aside)]


def _copies(variant: str) -> Callable[[Pictures, Split, int], Parts]:
    return lambda pictures, parts, seed: [(variant, parts.train[: len(parts.real)])]


def _class(pictures: Pictures, seed: int) -> np.ndarray:
    return pictures.labels == pictures.classes[seed % len(pictures.classes)]


def _class_left(share: float) -> Callable[[Pictures, Split, int], Parts]:
    """All classes but one, of which a share is left."""

    def rows(pictures: Pictures, parts: Split, seed: int) -> Parts:
        pool, count, chosen = _pool(parts), len(parts.real), _class(pictures, seed)
        kept = round(share * count / len(pictures.classes))
        within, others = pool[chosen[pool]][:kept], pool[~chosen[pool]]
        return [("real", np.concatenate([within, others[: count - len(within)]]))]

    return rows


def _class_alone(pictures: Pictures, parts: Split, seed: int) -> Parts:
    pool = _pool(parts)
    return [("real", np.resize(pool[_class(pictures, seed)[pool]], len(parts.real)))]


def _partly_noise(pictures: Pictures, parts: Split, seed: int) -> Parts:
    real, noise = np.split(parts.aside, [round((1 - NOISE_SHARE) * len(parts.aside))])
    return [("real", real), ("noise", noise)]


def _means(pictures: Pictures, parts: Split, seed: int) -> Parts:
    known = np.isin(pairs(len(pictures.images)), parts.train).all(axis=1)
    return [("mean", np.flatnonzero(known)[: len(parts.real)])]


def _half_copies(pictures: Pictures, parts: Split, seed: int) -> Parts:
    half = len(parts.real) // 2
    return [("real", parts.train[:half]), ("real", parts.aside[half:])]


def _collapsed(pictures: Pictures, parts: Split, seed: int) -> Parts:
    count = round(COLLAPSED_SHARE * len(parts.aside))
    return [("real", np.resize(parts.aside[-DISTINCT:], count)), ("real", parts.aside[count:])]


class Case(NamedTuple):
    """A model to judge.

    Attributes:
        title: of its row in the table.
        parts: from a data set, its split and the seed to the images that the model draws.
        is_good: whether it is to be blessed.
        beside: whether other real images are the baseline.
        labeled: whether the gate knows the classes.
        sets: names of the data sets it is for; empty for all.
        classes: whether it needs classes.
    """

    title: str
    parts: Callable[[Pictures, Split, int], Parts]
    is_good: bool = False
    beside: bool = False
    labeled: bool = True
    sets: tuple[str, ...] = ()
    classes: bool = False

    def suits(self, pictures: Pictures) -> bool:
        """Whether it can be made of a data set."""
        named = not self.sets or pictures.name in self.sets
        return named and (not self.classes or bool(pictures.classes))


_EMOJI = ("emoji",)
CASES: dict[str, Case] = {
    "real": Case("new real images, a first model", _aside("real"), is_good=True),
    "real-beside": Case(
        "new real images beside other real images", _aside("real"), is_good=True, beside=True
    ),
    "blurred": Case(f"blurred, sigma {BLUR:g} pixel", _aside("blurred")),
    "checkered": Case(f"a checkerboard of {CHECKERBOARD} levels added", _aside("checkered")),
    "faded": Case(f"contrast x {CONTRAST:g}", _aside("faded")),
    "noisy-beside": Case(
        f"noise of {NOISE} levels, beside real images", _aside(f"noisy {NOISE}"), beside=True
    ),
    "partly-noise": Case(f"{NOISE_SHARE:.0%} of them noise", _partly_noise),
    "means": Case("each the mean of two training images", _means),
    "copies": Case("training images", _copies("real")),
    "mirrored": Case("training images, mirrored", _copies("mirrored")),
    "shifted": Case("training images, shifted by a pixel", _copies("shifted")),
    "half-copies": Case("half of them training images", _half_copies),
    "missing-class": Case("one class missing", _class_left(0), classes=True),
    "missing-class-unlabeled": Case(
        "one class missing, without labels", _class_left(0), labeled=False, classes=True
    ),
    "rare-class": Case(f"one class at {RARE:.0%} of its share", _class_left(RARE), classes=True),
    "one-class": Case("one class only", _class_alone, classes=True),
    "collapsed": Case(f"{COLLAPSED_SHARE:.0%} of them {DISTINCT} images", _collapsed),
    "flat": Case("a single color each", _aside("flattened")),
    "enlarged": Case(f"reduced to {TINY}x{TINY} and enlarged", _aside("enlarged"), sets=_EMOJI),
    "swapped": Case("red and blue swapped", _aside("swapped"), sets=_EMOJI),
    "upside-down": Case("upside down", _aside("upside down"), sets=_EMOJI),
}
