"""A bounded random sample of images, as the numbers to compare."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tfx.dsl.io import fileio

from trainer import examples

SCALARS = (
    examples.MEAN,
    examples.STDDEV,
    examples.SOURCE_WIDTH,
    examples.SOURCE_HEIGHT,
    examples.SOURCE_BYTES,
)
SOURCE_SCALARS = (examples.SOURCE_MEAN, examples.SOURCE_STDDEV)  # beside those, with data.source


def space_of(features: str, shape: Sequence[int], paired: bool) -> str:
    """The `space` of a Sample.

    Args:
        features: describes the feature space.
        shape: of the images, (height, width, channels).
        paired: whether they have sources.
    """
    return f"{features}, {'x'.join(map(str, shape))}{', with sources' if paired else ''}"


class DescribedImage(NamedTuple):
    """The numbers of one image.

    Attributes:
        key: hexadecimal digits of a hash; unique.
        scalars: one value for each of SCALARS, and of an image with a source of SOURCE_SCALARS.
        shape: of its pixels, (height, width, channels).
        vector: float32 [d], its features; those of a source follow.
    """

    key: bytes
    scalars: tuple[float, ...]
    shape: tuple[int, int, int]
    vector: np.ndarray


@dataclass(frozen=True)
class Sample:
    """The images with the smallest keys of a population, sorted by key.

    Attributes:
        space: feature space and image shape; samples of different spaces cannot be compared.
        keys: bytes [N].
        scalars: float64 [N, S], in the order of SCALARS and SOURCE_SCALARS.
        vectors: float32 [N, d].
    """

    space: str
    keys: np.ndarray
    scalars: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, features: str, images: Sequence[DescribedImage]) -> "Sample":
        """Gathers at least one image.

        Args:
            features: describes the feature space.
            images: with unique keys, in any order.
        """
        images = sorted(images, key=lambda image: image.key)
        return cls(
            space_of(features, images[0].shape, len(images[0].scalars) > len(SCALARS)),
            np.array([image.key for image in images]),
            np.array([image.scalars for image in images], np.float64),
            np.stack([image.vector for image in images]),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def merged(self, other: "Sample", size: int) -> "Sample":
        """A sample of the populations of this sample and another one of the same space."""
        _, first = np.unique(np.concatenate([self.keys, other.keys]), return_index=True)
        chosen = first[:size]
        return Sample(
            self.space,
            np.concatenate([self.keys, other.keys])[chosen],
            np.concatenate([self.scalars, other.scalars])[chosen],
            np.concatenate([self.vectors, other.vectors])[chosen],
        )

    def save(self, uri: str) -> None:
        """Writes the sample as one file."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            space=np.array(self.space),
            keys=self.keys,
            scalars=self.scalars,
            vectors=self.vectors,
        )
        with fileio.open(uri, "wb") as target:
            target.write(file.getvalue())

    @classmethod
    def load(cls, uri: str) -> "Sample":
        """Reads what `save` wrote."""
        with fileio.open(uri, "rb") as source:
            file = io.BytesIO(source.read())
        with np.load(file, allow_pickle=False) as arrays:
            return cls(str(arrays["space"]), arrays["keys"], arrays["scalars"], arrays["vectors"])
