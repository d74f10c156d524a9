"""Euclidean distances between many points, a block of the distance matrix at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

# Rows and columns of the part of a distance or kernel matrix in memory: few enough to fit in a
# core's cache, many enough for matrix products at full speed.
BLOCK = 512


class Sliceable(Protocol):
    """Rows, as an array or a class."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any) -> Any: ...


Rows = TypeVar("Rows", bound=Sliceable)


def row_blocks(rows: Rows, block: int = BLOCK) -> Iterator[tuple[slice, Rows]]:
    """Splits rows into consecutive blocks of at most `block`; yields the slice and rows of each."""
    for start in range(0, len(rows), block):
        where = slice(start, min(start + block, len(rows)))
        yield where, rows[where]


@dataclass(frozen=True)
class Points:
    """Rows prepared for computing distances.

    Attributes:
        rows: float64 [N, d], relative to an origin.
        squared_norms: float64 [N].
    """

    rows: np.ndarray
    squared_norms: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, origin: np.ndarray) -> "Points":
        """Moves features [N, d] to a common origin [d], near which squares lose no digits."""
        rows = features - origin.astype(np.float64)
        return cls(rows, np.einsum("nd,nd->n", rows, rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> "Points":
        return Points(self.rows[rows], self.squared_norms[rows])


def squared_distances(x: Points, y: Points) -> np.ndarray:
    """Squared Euclidean distances as |x|^2 + |y|^2 - 2 x.y, which is mostly one matrix product.

    Returns:
        float64 [N, M], not negative.
    """
    squared = np.add.outer(x.squared_norms, y.squared_norms)
    squared -= 2 * (x.rows @ y.rows.T)
    return np.maximum(squared, 0, out=squared)
