"""Whether a mark in the noise x0 is found again in the image, and what it costs.

Some coefficients of the Fourier transform of x0 get the values of a key: those of `sample.mark`,
and others for comparison (trainer/light/mark.py). To find the mark, an image is inverted. Images
without it, real and generated, show how many are taken for marked after the same treatment.

Beside it, what is found without a mark: the noise of one of many known seeds.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

import iadb
from benchmarks import datasets
from benchmarks.measure import BenchmarkError, Figure
from components.features.pixels import pixels
from components.metrics.kid import kid
from pipeline.marks.find import FALSE_POSITIVES
from trainer.light.mark import Mark
from trainer.light.noise import noise_from_seeds

KEYS, PER_KEY, UNMARKED = 4, 200, 1000
DATASETS = {  # by shape; the presets have the same names
    (8, 8, 1): "digits",
    (32, 32, 1): "fashion_mnist",
    (32, 32, 3): "emoji32",
}
KNOWN = (500, 100_000)  # seeds
ENOUGH = 0.9  # share found, untouched, of a mark that is worth offering
FAR = 10**6  # where no other seed of this benchmark is
VARIANTS = {  # by name, the frequencies that are set; those of sample.mark first
    "to 2": {},
    "to 3": {"highest": 3},
    "3 to 4": {"lowest": 3, "highest": 4},
}


@dataclass(frozen=True)
class Tried:
    """What came of a variant, for each key.

    Attributes:
        found: shares of the marked images that were found, by treatment.
        taken: shares of the real and of the generated images without the mark that were taken for
            marked, in turn, by treatment.
        kids: of the marked images.
    """

    found: dict[str, list[float]]
    taken: dict[str, list[float]]
    kids: list[float]


def figures() -> Iterator[Figure]:
    """Yields the shares found and the KID of the newest model in ./workspace."""
    try:
        model = iadb.load("workspace")
    except ValueError as error:
        raise BenchmarkError(f"{error}: `make run` trains one") from None
    if model.shape not in DATASETS:
        known = " or ".join(DATASETS.values())
        raise BenchmarkError(f"the model in workspace is none of the preset {known}")
    real = np.concatenate(datasets.load(DATASETS[model.shape]))
    unmarked = model.transport(noise_from_seeds(np.arange(UNMARKED), model.shape))
    features = pixels(real)
    parts = np.split(pixels(unmarked), UNMARKED // PER_KEY)
    yield _kid_figure("no mark", [kid(features, part) for part in parts])
    inverted = {
        name: [model.invert(treat(images)) for images in (real[:UNMARKED], unmarked)]
        for name, treat in TREATMENTS.items()
    }
    for count in KNOWN:
        for name, (real_x0, x0) in inverted.items():
            share = share_of_known_seeds(real_x0, x0, count)
            yield Figure(f"no mark, {name}: found among {count:,} seeds", share, "")
    for name, frequencies in VARIANTS.items():
        yield from _figures_of(name, try_variant(model, frequencies, features, inverted))


def _figures_of(variant: str, tried: Tried) -> Iterator[Figure]:
    for treatment, shares in tried.found.items():
        share = float(np.mean(shares))
        bar = (f">= {ENOUGH}", share >= ENOUGH) if treatment == UNTOUCHED else ()
        name = f"{variant}, {treatment}: found, of the worst key {min(shares):.0%}"
        yield Figure(name, share, "", *bar)
        taken = tried.taken[treatment]
        name = f"{variant}, {treatment}: taken for marked, at most {max(taken):.1%}"
        yield Figure(name, float(np.mean(taken)), "")
    yield _kid_figure(variant, tried.kids)


def _kid_figure(name: str, values: list[float]) -> Figure:
    spread = np.std(values, ddof=1)
    return Figure(f"{name}: KID of {PER_KEY} images ± {spread:.4f}", float(np.mean(values)), "")


def try_variant(
    model: iadb.Model,
    frequencies: dict[str, float],
    real: np.ndarray,
    inverted: dict[str, list[np.ndarray]],
) -> Tried:
    """Draws images with each key, and looks for it.

    Args:
        model: draws, and inverts.
        frequencies: as of Mark.
        real: pixels of real images, for the KID.
        inverted: by treatment, x0 of several sets of images without the mark.
    """
    tried = Tried({name: [] for name in TREATMENTS}, {name: [] for name in TREATMENTS}, [])
    for number in range(KEYS):
        mark = Mark(key=FAR + number, **frequencies)
        first = UNMARKED + number * PER_KEY
        seeds = np.arange(first, first + PER_KEY)
        images = model.transport(noise_from_seeds(seeds, model.shape, mark))
        tried.kids.append(kid(real, pixels(images)))
        for name, treat in TREATMENTS.items():
            tried.found[name].append(_share(mark, model.invert(treat(images))))
            tried.taken[name] += [_share(mark, x0) for x0 in inverted[name]]
    return tried


def _share(mark: Mark, x0: np.ndarray) -> float:
    return float(np.mean(mark.p_values(x0) <= FALSE_POSITIVES))


def share_of_known_seeds(real: np.ndarray, generated: np.ndarray, count: int) -> float:
    """The share of images whose noise is recognized as that of a known seed.

    Args:
        real: x0 of real images.
        generated: x0 of the images of the seeds from 0 on. The first half is to be found; the
            seeds of the others are not known.
        count: known seeds, the first half's among them.
    """
    half = len(generated) // 2
    seeds = np.concatenate([np.arange(half), FAR + np.arange(count - half)])
    known = _directions(noise_from_seeds(seeds, generated.shape[1:])).T
    best = [(_directions(x0) @ known).max(1) for x0 in (real, generated[half:], generated[:half])]
    limit = max(np.quantile(each, 1 - FALSE_POSITIVES) for each in best[:2])
    return float(np.mean(best[2] > limit))


def _directions(x0: np.ndarray) -> np.ndarray:
    rows = x0.reshape(len(x0), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _save_as_jpeg(images: np.ndarray) -> np.ndarray:
    """Compresses images, uint8 [N, H, W, C], as JPEG of quality 90."""

    def compress(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        return Image.open(file)

    return _each(images, compress)


def _crop(images: np.ndarray) -> np.ndarray:
    """Cuts off the last eighth of rows and columns, and enlarges what is left."""
    height, width = images.shape[1:3]
    box = (0, 0, width - width // 8, height - height // 8)
    return _each(images, lambda i: i.resize((width, height), Image.Resampling.BICUBIC, box=box))


def _each(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    gray = images.shape[-1] == 1
    pictures = [Image.fromarray(image[..., 0] if gray else image) for image in images]
    return np.stack([np.asarray(change(each)) for each in pictures]).reshape(images.shape)


UNTOUCHED = "untouched"
TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    UNTOUCHED: lambda images: images,
    "JPEG 90": _save_as_jpeg,
    "cropped to 7/8": _crop,
}
