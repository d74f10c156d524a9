"""The images and pairs of the benchmarks, train and held-out arrays, and their networks."""

import contextlib
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.example import captured_group, split_of
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.source_decode import decode_source
from components.image_example_gen.spans import ImageSource
from data import digits, emoji, emoji_flat, fashion_mnist
from trainer import examples

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

CPU_NETWORK = {  # that images of 32x32 have without a configuration and a GPU
    "side": 32,
    "patch": 2,
    "prediction": "gaussian",
    "channels": (64, 128),
    "blocks": 1,
    "time_embedding": "scale_shift",
    "attention": (False, True),
    "attention_head_dim": 8,
    "norm_groups": 32,
}
CPU_PEER_NETWORK = {  # for peers without patches; a few more weights than ours
    "side": 32,
    "channels": (32, 96, 128),
    "blocks": 1,
    "attention": (False, False, True),  # at 8x8, as in ours
    "attention_head_dim": 8,
    "norm_groups": 16,
}
EMOJI_NETWORK = CPU_NETWORK | {"image_channels": 3}  # as in the preset


class Pairs(NamedTuple):
    """Images, and what a model is to translate to them, in the same order.

    Attributes:
        sources: uint8 [N, H, W, C].
        images: uint8 [N, H, W, C].
    """

    sources: np.ndarray
    images: np.ndarray


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Loads train and held-out images, uint8 [N, H, W, C], in an order without meaning.

    Every fifth of the 1,797 `digits` is held out. `fashion_mnist` has 10,000 test images and is
    padded with black to 32x32; its four files are read from the folder in the environment variable
    FASHION_MNIST, or else of the Debian package. `emoji32` are Fluent emoji on white, split by
    their base code point as in the pipeline; they are read from the tarball of their npm package
    in the environment variable EMOJI, or else npm downloads it.

    Raises:
        DataError: the files are not found.
    """
    with tempfile.TemporaryDirectory() as folder:
        if name == "digits":
            digits.write(Path(folder))
            images = np.stack([_read(path) for path in sorted(Path(folder).rglob("*.png"))])
            held_out = np.arange(len(images)) % 5 == 0
            parts = images[~held_out], images[held_out]
        elif name == "emoji32":
            emoji.write(Path(folder), os.environ.get("EMOJI"))
            parts = split_by_group(Path(folder), EMOJI_NETWORK["side"])
        else:
            fashion_mnist.write(Path(folder), os.environ.get("FASHION_MNIST"))
            files = [sorted(Path(folder).rglob(f"{part}_*.png")) for part in ("train", "t10k")]
            frame = [(0, 0), (2, 2), (2, 2), (0, 0)]
            parts = [np.pad(np.stack(list(map(_read, paths))), frame) for paths in files]
        return tuple(map(_mix, parts))


def load_flat_to_3d(side: int) -> tuple[Pairs, Pairs]:
    """Loads train and held-out Fluent emoji, flat as sources and 3D as images, as `load` does.

    The environment variable EMOJI_FLAT names the tarball of the flat ones.

    Raises:
        DataError: a tarball is not found, or the renderer of the flat ones is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        images, sources = Path(folder, "3d"), Path(folder, "flat")
        emoji.write(images, os.environ.get("EMOJI"))
        emoji_flat.write(sources, os.environ.get("EMOJI_FLAT"))
        return tuple(Pairs(*map(_mix, part)) for part in split_pairs(images, sources, side))


def split_by_group(folder: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Decodes and splits the emoji in a folder as ImageExampleGen does.

    Returns:
        Train and held-out images, uint8 [N, side, side, 3].
    """
    options = _emoji_options(side)
    splits: dict[str, list[np.ndarray]] = defaultdict(list)
    for path in sorted(folder.glob("*.webp")):
        group = captured_group(path.name, options) or ""
        with path.open("rb") as stream:
            image = decode(stream, options).pixels
        splits[split_of(group, options.eval_percent)].append(image)
    return np.stack(splits[examples.TRAIN]), np.stack(splits[examples.EVAL])


def split_pairs(folder: Path, sources: Path, side: int) -> tuple[Pairs, Pairs]:
    """Pairs, decodes and splits the emoji in two folders as ImageExampleGen does.

    Files that are not one of a pair, or whose partner has another aspect, are left out.

    Returns:
        Train and held-out pairs of side x side pixels, in color.
    """
    options = _emoji_options(side)
    splits: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    with ImageReader(str(folder)) as reader, ImageReader(str(sources)) as source_reader:
        for file in ImageSource(str(folder), sources=str(sources)).list_files():
            if file.source is None:
                continue
            with reader.open(file) as stream:
                image = decode(stream, options)
            with contextlib.suppress(RejectedImage):
                source = decode_source(file.source, source_reader, image, options)
                group = captured_group(file.path, options) or ""
                pair = source.pixels, image.pixels
                splits[split_of(group, options.eval_percent)].append(pair)
    train, held_out = (
        Pairs(*map(np.stack, zip(*splits[name], strict=True)))
        for name in (examples.TRAIN, examples.EVAL)
    )
    return train, held_out


def _emoji_options(side: int) -> ImageOptions:
    return ImageOptions(resolution=side, channels=3, group_pattern=emoji.GROUP_PATTERN)


def _mix(images: np.ndarray) -> np.ndarray:
    """Orders images by chance, equally in each call: files may be sorted by class.

    A shuffle buffer would not mix them.
    """
    return np.random.default_rng(0).permutation(images)


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))[..., None]
