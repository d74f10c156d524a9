"""Runge-Kutta methods and step grids, for any library of arrays.

A method is a Butcher tableau: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I
(II.1). A grid has the positions of the steps between alpha = 0 and 1: a monotone function of [0, 1]
onto itself, where step i of n goes from grid(i / n) to grid((i + 1) / n). One grid serves any
number of steps in both directions, and tensors as well as arrays.

Errors measured on the trained digits preset against 128 steps of RK4 (root mean square over 256
samples, pixels in [-1, 1]): a step of 1/32 by Euler has an error of 0.0003 to 0.0007 in the first
quarter of the path, about 0.001 in the middle and 0.0022 to 0.0027 in the last three steps, next to
the images. Heun with 8 network evaluations has an error of 0.071 on the uniform grid and 0.036 on
the late grid; with 16 evaluations, 0.023 and 0.011. Euler alone is best on the uniform grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

# In that measurement 1.5 has the least error for midpoint, Heun and RK4 at 4, 8 and 16 network
# evaluations, among 1, 1.5, 2, 3 and powers that shorten the first steps instead.
LATE_POWER = 1.5

ArrayT = TypeVar("ArrayT")  # of NumPy or a tensor
# (x float32 [N, ...], alpha float32 [N]) -> dx/dalpha float32 [N, ...], row by row
VectorField = Callable[[ArrayT, ArrayT], ArrayT]
Grid = Callable[[Any], Any]  # float32, any shape, 0 to 1 -> the same shape


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method.

    Attributes:
        stages: for each stage, the weights of the previous slopes (row i of the matrix a).
        weights: weight of each slope in the step (b).
        nodes: position of each stage within the step, 0 to 1 (c).
        order: order of convergence.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    nodes: tuple[float, ...]
    order: int


TABLEAUS = {
    "euler": Tableau(((),), (1.0,), (0.0,), order=1),
    "midpoint": Tableau(((), (1 / 2,)), (0.0, 1.0), (0.0, 1 / 2), order=2),
    "heun": Tableau(((), (1.0,)), (1 / 2, 1 / 2), (0.0, 1.0), order=2),
    "rk4": Tableau(
        ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
        (0.0, 1 / 2, 1 / 2, 1.0),
        order=4,
    ),
}


def uniform(u: Any) -> Any:
    """Equal steps, as in the paper."""
    return u


def late(u: Any) -> Any:
    """Shorter steps towards the images, where the field changes fastest."""
    return 1.0 - (1.0 - u) ** LATE_POWER


GRIDS: dict[str, Grid] = {"uniform": uniform, "late": late}


@dataclass(frozen=True)
class Solver:
    """How the ODE is solved.

    Attributes:
        tableau: the Runge-Kutta method.
        grid: positions of the steps.
    """

    tableau: Tableau
    grid: Grid = uniform

    @property
    def nfe_per_step(self) -> int:
        """Network evaluations per step."""
        return len(self.tableau.weights)


SOLVERS = {name: Solver(tableau) for name, tableau in TABLEAUS.items()}


def get(solver: str, grid: str = "uniform") -> Solver:
    """Returns the solver with these names, in TABLEAUS and GRIDS.

    Raises:
        ValueError: a name is unknown.
    """
    for about, name, known in (("solver", solver, TABLEAUS), ("grid", grid, GRIDS)):
        if name not in known:
            raise ValueError(f"{about} {name!r} is unknown; choose from {', '.join(known)}")
    return Solver(TABLEAUS[solver], GRIDS[grid])


def step(
    tableau: Tableau,
    field: VectorField,
    x: ArrayT,
    alpha: ArrayT,
    size: ArrayT,
    add: Callable[[Sequence[ArrayT]], ArrayT],
) -> ArrayT:
    """Takes one step per row, as all explicit Runge-Kutta methods do.

    Args:
        tableau: the method.
        field: the vector field.
        x: float32 [N, ...], the states.
        alpha: float32 [N], the position of each row.
        size: float32 [N], the step size of each row; negative for backward steps.
        add: sums arrays of equal shapes.

    Returns:
        The new states, float32 [N, ...].
    """

    def move(weights: Sequence[float]) -> ArrayT:
        return x + scale * add([w * s for w, s in zip(weights, slopes, strict=True) if w])

    scale = size[(..., *[None] * (len(x.shape) - 1))]
    slopes = [field(x, alpha)]
    for row, node in zip(tableau.stages[1:], tableau.nodes[1:], strict=True):
        slopes.append(field(move(row), alpha + size * node))
    return move(tableau.weights)


def step_ends(nb_step: int, grid: str) -> tuple[float, ...]:
    """The alphas between which so many steps lead on one of GRIDS, from 0 to 1."""
    ends = GRIDS[grid](np.arange(nb_step + 1, dtype=np.float32) / np.float32(nb_step))
    return tuple(ends.tolist())
