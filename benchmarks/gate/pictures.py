"""The four data sets of the calibration, and how each is split."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from components.features.options import FeatureOptions
from components.sample_evaluator.options import EvaluateOptions
from data import emoji, fashion_mnist
from pipeline.config.pipeline_config import load

SIDE = 32  # pixels of all but the digits
FASHION_IMAGES = 5000
SHAPES = 3000
FINER = 4  # shapes are drawn so much larger, for smooth edges
COLOR_SPACE = FeatureOptions(name="efficientnet-lite0", resolution=112)  # as `auto` chooses it


class Pictures(NamedTuple):
    """A data set, with what is judged by.

    Attributes:
        name: of the data set.
        images: uint8 [N, H, W, C].
        labels: the class of each image; empty texts if there are none.
        held_out: number of images of each set that is compared.
        options: of the evaluation.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    held_out: int
    options: EvaluateOptions

    @property
    def classes(self) -> list[str]:
        """The classes, sorted; none if there are no labels."""
        return sorted(set(self.labels) - {""})


class Split(NamedTuple):
    """Disjoint rows of a data set.

    Attributes:
        train: what the models were trained on.
        real: held out, to compare with.
        aside: as many others, of which candidates are made.
        other: as many others, for the baseline.
    """

    train: np.ndarray
    real: np.ndarray
    aside: np.ndarray
    other: np.ndarray


def split(pictures: Pictures, seed: int) -> Split:
    """Draws the rows of one seed; all images that are not held out are trained on."""
    order = np.random.default_rng(seed).permutation(len(pictures.images))
    sets = np.split(order, [pictures.held_out * i for i in (1, 2, 3)])
    return Split(sets[3], *sets[:3])


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 images of scikit-learn as data/digits.py writes them, uint8, and their digits."""
    digits = load_digits()
    pixels = np.round(digits.images * 255 / 16).astype(np.uint8)
    return pixels[..., None], digits.target


def draw_shapes(count: int = SHAPES) -> tuple[np.ndarray, np.ndarray]:
    """Draws discs, triangles, squares, pentagons, stars and rings of any color; the same always."""
    rng = np.random.default_rng(0)
    kinds = [list(_SHAPES)[i % len(_SHAPES)] for i in range(count)]
    return np.stack([_draw(kind, rng) for kind in kinds]), np.array(kinds)


# Corners, and the radius of every second one; neither for round shapes.
_SHAPES = {
    "disc": None,
    "triangle": (3, 1.0),
    "square": (4, 1.0),
    "pentagon": (5, 1.0),
    "star": (10, 0.45),
    "ring": None,
}


def _draw(kind: str, rng: np.random.Generator) -> np.ndarray:
    side = SIDE * FINER
    background = tuple(map(int, rng.integers(150, 256, 3)))
    color = tuple(map(int, rng.integers(0, 200, 3)))
    image = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(image)
    x, y = rng.uniform(0.35, 0.65, 2) * side
    radius = rng.uniform(0.18, 0.33) * side
    first = rng.uniform(0, 2 * np.pi)
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "disc":
        pen.ellipse(box, fill=color)
    elif kind == "ring":
        pen.ellipse(box, outline=color, width=int(0.35 * radius))
    else:
        corners, inner = _SHAPES[kind]
        angles = first + 2 * np.pi * np.arange(corners) / corners
        radii = np.where(np.arange(corners) % 2, radius * inner, radius)
        pen.polygon(
            [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)],
            fill=color,
        )
    return _resize(image)


def read_fashion(source: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The first images of Fashion-MNIST's training files, enlarged, and their classes.

    Raises:
        DataError: the folder `source`, or that of the Debian package, has no such files.
    """
    folder = Path(source or fashion_mnist.DEBIAN_FOLDER)
    pixels, numbers = (part[:FASHION_IMAGES] for part in fashion_mnist.read_part(folder, "train"))
    names = np.array(fashion_mnist.CLASSES)[numbers]
    return np.stack([_resize(Image.fromarray(image)) for image in pixels])[..., None], names


def read_emoji(source: str | None) -> tuple[np.ndarray, np.ndarray]:
    """One emoji of each base code point on white, without classes; variants are near-duplicates.

    Raises:
        DataError: the package's tarball `source` is unavailable, or that of npm.
    """
    with tempfile.TemporaryDirectory() as folder:
        emoji.write(Path(folder), source)
        first: dict[str, Path] = {}
        for path in sorted(Path(folder).glob("*.webp")):
            first.setdefault(re.search(emoji.GROUP_PATTERN, path.name)[1], path)
        images = np.stack([_on_white(path) for path in first.values()])
    return images, np.full(len(images), "")


def _on_white(path: Path) -> np.ndarray:
    image = Image.open(path).convert("RGBA")
    background = Image.new("RGBA", image.size, "white")
    background.alpha_composite(image)
    return _resize(background.convert("RGB"))


def _resize(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def make_sets(fashion: str | None, emojis: str | None) -> dict[str, Callable[[], Pictures]]:
    """Functions that read the data sets, by name.

    Args:
        fashion: folder of Fashion-MNIST; None for that of the Debian package.
        emojis: tarball of the emoji; None to get it by npm.
    """
    gray, color = (
        EvaluateOptions(features=space)
        for space in (FeatureOptions(name="random_conv"), COLOR_SPACE)
    )
    return {
        "digits": lambda: Pictures(
            "digits", read_digits()[0], read_digits()[1].astype(str), 300, load("digits").evaluate
        ),
        "fashion": lambda: Pictures("fashion", *read_fashion(fashion), 500, gray),
        "emoji": lambda: Pictures("emoji", *read_emoji(emojis), 300, color),
        "shapes": lambda: Pictures("shapes", *draw_shapes(), 500, color),
    }
