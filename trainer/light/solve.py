"""Solves dx/dalpha = d(x, alpha) from alpha = 0 to 1 by NumPy, as trainer/ode does by TensorFlow.

Both use the same tableaus and grids; trainer/ode explains the formulas.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainer.ode.methods import GRIDS, TABLEAUS, Tableau

# (x float32 [N, ...], alpha float32 [N]) -> dx/dalpha float32 [N, ...], row by row
VectorField = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Method:
    """How the ODE is solved: names in TABLEAUS and GRIDS."""

    solver: str
    grid: str


def solve(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Maps x0, float32 [N, ...], to x1.

    Args:
        method: tableau and grid.
        field: the vector field.
        x: the states at alpha = 0.
        nb_step: number of steps, at least 1.
    """
    [x1] = deque(_march(method, field, x, nb_step), maxlen=1)
    return x1


def trajectory(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Solves like `solve`; returns the states at the alphas of the grid, [nb_step + 1, N, ...]."""
    followed = np.empty((nb_step + 1, *x.shape), x.dtype)
    for number, state in enumerate(_march(method, field, x, nb_step)):
        followed[number] = state
    return followed


def _march(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> Iterator[np.ndarray]:
    """Yields the states at the alphas of the grid."""
    alphas = GRIDS[method.grid](np.arange(nb_step + 1, dtype=np.float32) / np.float32(nb_step))
    rows = [np.full(len(x), alpha) for alpha in alphas]
    yield x
    for here, there in pairwise(rows):
        x = _step(TABLEAUS[method.solver], field, x, here, there - here)
        yield x


def _step(
    tableau: Tableau, field: VectorField, x: np.ndarray, alpha: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Takes one step per row; returns the new states."""
    scale = size.reshape(-1, *[1] * (x.ndim - 1))
    slopes = [field(x, alpha)]
    for row, node in zip(tableau.stages[1:], tableau.nodes[1:], strict=True):
        slopes.append(field(x + scale * _weighted_sum(row, slopes), alpha + size * node))
    return x + scale * _weighted_sum(tableau.weights, slopes)


def _weighted_sum(weights: Sequence[float], slopes: Sequence[np.ndarray]) -> np.ndarray:
    return sum(w * s for w, s in zip(weights, slopes, strict=True) if w)
