"""Whether a pattern in the noise x0 is found again in the image, and what it costs.

As Wen et al., "Tree-Ring Watermarks", 2023 (arXiv 2305.20030): some coefficients of the Fourier
transform of x0 get the values of a key. To find the mark, an image is inverted, and the distance of
these coefficients from the key is compared with those of images without the mark: real ones, and
generated ones. The threshold lets at most 1% of either pass, after the same treatment.

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
from trainer.light.noise import noise_from_seeds

KEYS, PER_KEY, UNMARKED = 4, 200, 1000
KNOWN = (500, 100_000)  # seeds
FALSE_POSITIVES = 0.01
ENOUGH = 0.9  # share found, untouched, of a mark that is worth offering
AXES = (1, 2)
FAR = 10**6  # where no other seed of this benchmark is


@dataclass(frozen=True)
class Variant:
    """Which coefficients get which values.

    Attributes:
        name: of the variant.
        lowest: frequency, in periods per image, with `highest` the ones that are set.
        highest: both are included.
        rings: whether all coefficients of a frequency, rounded, have the same value.
    """

    name: str
    lowest: float
    highest: float
    rings: bool = False


VARIANTS = (
    Variant("pattern to 2", 0, 2),
    Variant("pattern to 3", 0, 3),
    Variant("rings to 3", 0, 3, rings=True),
    Variant("pattern of 3 to 4", 3, 4),
)


@dataclass(frozen=True)
class Tried:
    """What came of a variant, for each key.

    Attributes:
        found: shares of the marked images that were found, by treatment.
        kids: of the marked images.
    """

    found: dict[str, list[float]]
    kids: list[float]


def figures() -> Iterator[Figure]:
    """Yields the shares found and the KID of the newest model in ./workspace."""
    try:
        model = iadb.load("workspace")
    except ValueError as error:
        raise BenchmarkError(f"{error}: `make run` trains one") from None
    real = np.concatenate(datasets.load("digits"))
    if real.shape[1:] != model.shape:
        raise BenchmarkError("the model in workspace draws no digits of 8x8: `make run` trains one")
    unmarked = model.sample(UNMARKED)
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
    for variant in VARIANTS:
        yield from _figures_of(variant, try_variant(model, variant, features, inverted))


def _figures_of(variant: Variant, tried: Tried) -> Iterator[Figure]:
    for treatment, shares in tried.found.items():
        share = float(np.mean(shares))
        bar = (f">= {ENOUGH}", share >= ENOUGH) if treatment == UNTOUCHED else ()
        name = f"{variant.name}, {treatment}: found, of the worst key {min(shares):.0%}"
        yield Figure(name, share, "", *bar)
    yield _kid_figure(variant.name, tried.kids)


def _kid_figure(name: str, values: list[float]) -> Figure:
    spread = np.std(values, ddof=1)
    return Figure(f"{name}: KID of {PER_KEY} images ± {spread:.4f}", float(np.mean(values)), "")


def try_variant(
    model: iadb.Model,
    variant: Variant,
    real: np.ndarray,
    inverted: dict[str, list[np.ndarray]],
) -> Tried:
    """Draws images with each key, and looks for it.

    Args:
        model: draws, and inverts.
        variant: of the mark.
        real: pixels of real images, for the KID.
        inverted: by treatment, x0 of several sets of images without the mark.
    """
    where = mask(model.shape, variant)
    tried = Tried({name: [] for name in TREATMENTS}, [])
    for seed in range(KEYS):
        key = draw_key(model.shape, variant, seed)
        x0 = model.noise(PER_KEY, seed=UNMARKED + seed * PER_KEY)
        images = model.transport(mark(x0, where, key))
        tried.kids.append(kid(real, pixels(images)))
        for name, treat in TREATMENTS.items():
            unmarked = [distances(x0, where, key) for x0 in inverted[name]]
            limit = min(np.quantile(each, FALSE_POSITIVES) for each in unmarked)
            marked = distances(model.invert(treat(images)), where, key)
            tried.found[name].append(float(np.mean(marked < limit)))
    return tried


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


def mask(shape: tuple[int, int, int], variant: Variant) -> np.ndarray:
    """Which coefficients a variant sets, bool [H, W]."""
    frequency = _frequency(shape)
    return (frequency >= variant.lowest) & (frequency <= variant.highest)


def draw_key(shape: tuple[int, int, int], variant: Variant, seed: int) -> np.ndarray:
    """Draws the values of a key, complex [H, W, C], which noise could have."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(shape)
    if variant.rings:
        rings = np.round(_frequency(shape)).astype(int)
        values = noise.reshape(-1, shape[2])[: rings.max() + 1] * np.sqrt(rings.size)
        return values[rings].astype(complex)
    return np.fft.fft2(noise, axes=(0, 1))


def mark(x0: np.ndarray, where: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Sets the coefficients of noise, float32 [N, H, W, C], to those of the key."""
    spectrum = np.fft.fft2(x0, axes=AXES)
    spectrum[:, where] = key[where]
    return np.fft.ifft2(spectrum, axes=AXES).real.astype(np.float32)


def distances(x0: np.ndarray, where: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Mean distances of the coefficients of noise, [N, H, W, C], from those of the key, [N]."""
    spectrum = np.fft.fft2(x0, axes=AXES)
    return np.abs(spectrum[:, where] - key[where]).mean(axis=(1, 2))


def _frequency(shape: tuple[int, int, int]) -> np.ndarray:
    """Periods per image of each coefficient, [H, W]."""
    rows, columns = (np.fft.fftfreq(side, 1 / side) for side in shape[:2])
    return np.hypot(rows[:, None], columns)


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
    changed = [np.asarray(change(Image.fromarray(image.squeeze(-1)))) for image in images]
    return np.stack(changed)[..., None]


UNTOUCHED = "untouched"
TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    UNTOUCHED: lambda images: images,
    "JPEG 90": _save_as_jpeg,
    "cropped to 7/8": _crop,
}
