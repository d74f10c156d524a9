"""Solves dx/dalpha = d(x, alpha) from alpha = 0 to 1 by NumPy, as trainer/ode/solvers.py does."""

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from trainer.ode.methods import Solver, VectorField, step


def solve(solver: Solver, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Maps x0, float32 [N, ...], to x1.

    Args:
        solver: how the ODE is solved.
        field: the vector field.
        x: the states at alpha = 0.
        nb_step: number of steps, at least 1.
    """
    [x1] = deque(_march(solver, field, x, nb_step), maxlen=1)
    return x1


def trajectory(solver: Solver, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Solves like `solve`; returns the states at the alphas of the grid, [nb_step + 1, N, ...]."""
    followed = np.empty((nb_step + 1, *x.shape), x.dtype)
    for number, state in enumerate(_march(solver, field, x, nb_step)):
        followed[number] = state
    return followed


def _march(solver: Solver, field: VectorField, x: np.ndarray, nb_step: int) -> Iterator[np.ndarray]:
    """Yields the states at the alphas of the grid."""
    alphas = solver.grid(np.arange(nb_step + 1, dtype=np.float32) / np.float32(nb_step))
    rows = [np.full(len(x), alpha) for alpha in alphas]
    yield x
    for here, there in pairwise(rows):
        x = step(solver.tableau, field, x, here, there - here, sum)
        yield x
