"""Solves dx/dalpha = d(x, alpha) from alpha = 0 to 1 by NumPy, as trainer/ode does by TensorFlow.

Both use the same tableaus, grids and constants; trainer/ode explains the formulas.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainer.ode.step_grids import GRIDS
from trainer.ode.tableaus import FIRST_STEP, GROW, SAFETY, SHRINK, TABLEAUS, Tableau

# (x float32 [N, ...], alpha float32 [N]) -> dx/dalpha float32 [N, ...], row by row
VectorField = Callable[[np.ndarray, np.ndarray], np.ndarray]
State = tuple[np.ndarray, np.ndarray, np.ndarray]  # x [N, ...], alpha [N], slope [N, ...]


@dataclass(frozen=True)
class Method:
    """How the ODE is solved: the names in TABLEAUS and GRIDS, and the tolerances per step."""

    solver: str
    grid: str
    rtol: float
    atol: float


def solve(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Maps x0, float32 [N, ...], to x1.

    Args:
        method: tableau, grid and tolerances.
        field: the vector field.
        x: the states at alpha = 0.
        nb_step: number of steps, at least 1; for an adaptive method the maximum to attempt.
    """
    [(x1, _, _)] = deque(_march(method, field, x, nb_step), maxlen=1)
    return x1


def trajectory(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> np.ndarray:
    """Solves like `solve`; returns the states at the alphas of the grid, [nb_step + 1, N, ...]."""
    march = _march(method, field, x, nb_step)
    if TABLEAUS[method.solver].embedded:
        states = [np.stack(parts) for parts in zip(*march, strict=True)]
        return _interpolate(*states, at=_alphas(method, nb_step))
    followed = np.empty((nb_step + 1, *x.shape), x.dtype)
    for number, (state, _, _) in enumerate(march):
        followed[number] = state
    return followed


def _march(method: Method, field: VectorField, x: np.ndarray, nb_step: int) -> Iterator[State]:
    tableau = TABLEAUS[method.solver]
    if tableau.embedded:
        return _adapt(tableau, method.rtol, method.atol, field, x, nb_step)
    return _follow(tableau, _alphas(method, nb_step), field, x)


def _alphas(method: Method, nb_step: int) -> np.ndarray:
    return GRIDS[method.grid](np.arange(nb_step + 1, dtype=np.float32) / np.float32(nb_step), np)


def _follow(
    tableau: Tableau, alphas: np.ndarray, field: VectorField, x: np.ndarray
) -> Iterator[State]:
    """Yields the states at the alphas of a grid, [nb_step + 1]."""
    rows = [np.full(len(x), alpha) for alpha in alphas]
    slope = np.zeros_like(x)  # is not kept: each step begins with its own
    yield x, rows[0], slope
    for here, there in pairwise(rows):
        x, _ = _step(tableau, x, here, there - here, [field(x, here)], field)
        yield x, there, slope


def _adapt(
    tableau: Tableau, rtol: float, atol: float, field: VectorField, x: np.ndarray, nb_step: int
) -> Iterator[State]:
    """Yields the states after each attempted step, until all rows have arrived."""
    alpha = np.zeros(len(x), np.float32)
    slope, size = field(x, alpha), np.full(len(x), FIRST_STEP, np.float32)
    error_weights = np.subtract(tableau.weights, tableau.embedded).tolist()
    yield x, alpha, slope
    for tries_left in range(nb_step, 0, -1):
        if np.all(alpha == 1):
            return
        distance = 1 - alpha
        shortest = distance / np.float32(tries_left)
        size = np.clip(size, shortest, distance)
        ahead, slopes = _step(tableau, x, alpha, size, [slope], field)
        difference = _per_row(size, x) * _weighted_sum(error_weights, slopes)
        error = _scaled_norm(difference, atol + rtol * np.maximum(np.abs(x), np.abs(ahead)))
        taken = (error <= 1) | (size <= shortest)
        with np.errstate(divide="ignore"):
            factor = np.clip(SAFETY * error ** (-1 / tableau.order), SHRINK, GROW)
        x = np.where(_per_row(taken, x), ahead, x)
        slope = np.where(_per_row(taken, x), slopes[-1], slope)
        alpha = np.where(taken, np.where(size < distance, alpha + size, np.float32(1)), alpha)
        size = size * factor
        yield x, alpha, slope


def _step(
    tableau: Tableau,
    x: np.ndarray,
    alpha: np.ndarray,
    size: np.ndarray,
    slopes: list[np.ndarray],
    field: VectorField,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Takes one step per row, from the first slope; returns new states and all slopes."""
    scale = _per_row(size, x)
    for row, node in zip(tableau.stages[1:], tableau.nodes[1:], strict=True):
        slopes.append(field(x + scale * _weighted_sum(row, slopes), alpha + size * node))
    return x + scale * _weighted_sum(tableau.weights, slopes), slopes


def _weighted_sum(weights: Sequence[float], slopes: Sequence[np.ndarray]) -> np.ndarray:
    return sum(w * s for w, s in zip(weights, slopes, strict=True) if w)


def _per_row(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (x.ndim - 1))


def _scaled_norm(difference: np.ndarray, tolerated: np.ndarray) -> np.ndarray:
    """Returns the root mean square per row, in units of the tolerance; infinite for NaN."""
    square = np.square(difference / tolerated)
    norm = np.sqrt(np.mean(square, axis=tuple(range(1, square.ndim))))
    return np.where(np.isfinite(norm), norm, np.float32(np.inf))


def _interpolate(x: np.ndarray, alpha: np.ndarray, slope: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolates S states, [S, N, ...], at M alphas by cubic Hermite polynomials, [M, N, ...]."""
    rows = np.arange(x.shape[1])
    right = np.stack([np.searchsorted(alpha[:, row], at) for row in rows], 1)
    right = np.maximum(right, 1)  # the first state at or after it, [M, N]
    (x_0, slope_0, alpha_0), (x_1, slope_1, alpha_1) = (
        [part[index, rows] for part in (x, slope, alpha)] for index in (right - 1, right)
    )
    length = alpha_1 - alpha_0
    offset = at[:, np.newaxis] - alpha_0
    t = np.divide(offset, length, out=np.zeros_like(offset), where=length != 0)
    t, length = (part.reshape(part.shape + (1,) * (x.ndim - 2)) for part in (t, length))
    return (
        (1 + 2 * t) * (1 - t) ** 2 * x_0
        + t * (1 - t) ** 2 * length * slope_0
        + t**2 * (3 - 2 * t) * x_1
        - t**2 * (1 - t) * length * slope_1
    )
