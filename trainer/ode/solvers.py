"""Solves dx/dalpha = d(x, alpha) between alpha = 0 and 1 by a tableau on a step grid.

    solver = get("heun", grid="late")
    x1 = solve(solver, field, x0, nb_step)
    x0 = solve(solver, field, x1, nb_step, backward=True)

Costs are numbers of network evaluations (NFE), by which solvers are compared. With guidance the
field evaluates networks twice or four times where one is counted here (trainer/vector_field.py).
"""

from dataclasses import dataclass

import tensorflow as tf

from trainer.ode import runge_kutta
from trainer.ode.runge_kutta import VectorField
from trainer.ode.step_grids import GRIDS, Grid
from trainer.ode.tableaus import TABLEAUS, Tableau


@dataclass(frozen=True)
class Solver:
    """How the ODE is solved.

    Attributes:
        tableau: the Runge-Kutta method.
        grid: positions of the steps.
    """

    tableau: Tableau
    grid: Grid = GRIDS["uniform"]

    @property
    def nfe_per_step(self) -> int:
        """Network evaluations per step."""
        return len(self.tableau.weights)


SOLVERS = {name: Solver(tableau) for name, tableau in TABLEAUS.items()}


def get(solver: str | Solver, grid: str = "uniform") -> Solver:
    """Returns the solver with these names (in TABLEAUS and GRIDS), or a Solver unchanged.

    Raises:
        ValueError: a name is unknown.
    """
    if isinstance(solver, Solver):
        return solver
    for about, name, known in (("solver", solver, TABLEAUS), ("grid", grid, GRIDS)):
        if name not in known:
            raise ValueError(f"{about} {name!r} is unknown; choose from {', '.join(known)}")
    return Solver(TABLEAUS[solver], GRIDS[grid])


def to_names(solver: Solver) -> dict[str, str]:
    """Returns the arguments of `get` that give this solver.

    Raises:
        ValueError: its tableau or its grid is none of TABLEAUS and GRIDS.
    """
    tableau = [name for name, known in TABLEAUS.items() if known == solver.tableau]
    grid = [name for name, known in GRIDS.items() if known is solver.grid]
    if not tableau or not grid:
        unknown = "tableau" if not tableau else "grid"
        raise ValueError(f"the solver's {unknown} is none of the project's, so it has no name")
    return {"solver": tableau[0], "grid": grid[0]}


def solve(
    solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor, *, backward: bool = False
) -> tf.Tensor:
    """Integrates x from alpha = 0 to 1 (backward: from 1 to 0, on the same grid).

    Args:
        solver: one of SOLVERS, or the result of `get`.
        field: the vector field.
        x: float32 [N, ...], the states at the start.
        nb_step: int32 [], number of steps. One trace serves any number.
        backward: integrate from x1 to x0.

    Returns:
        The states at the end. Memory does not grow with nb_step.
    """
    return _march(solver, field, x, nb_step, backward=backward)[0]


def trajectory(solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor) -> tf.Tensor:
    """Solves like `solve` and returns all states, float32 [nb_step + 1, N, ...], from x0 to x1.

    State i is at alpha = grid(i / nb_step).
    """
    return _march(solver, field, x, nb_step, keep=True)[1]


def _march(
    solver: Solver,
    field: VectorField,
    x: tf.Tensor,
    nb_step: tf.Tensor,
    *,
    backward: bool = False,
    keep: bool = False,
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Takes nb_step steps; returns the last state and, with `keep`, all of them."""
    tf.debugging.assert_positive(nb_step, "nb_step must be at least 1")
    rows = tf.shape(x)[:1]

    def alpha(i: tf.Tensor) -> tf.Tensor:
        i = nb_step - i if backward else i
        return tf.fill(rows, solver.grid(tf.cast(i, x.dtype) / tf.cast(nb_step, x.dtype)))

    kept = []
    if keep:
        kept = [tf.TensorArray(x.dtype, size=nb_step + 1, element_shape=x.shape).write(0, x)]

    def body(i: tf.Tensor, x: tf.Tensor, kept: list[tf.TensorArray]) -> tuple:
        here = alpha(i)
        x = runge_kutta.step(solver.tableau, field, x, here, alpha(i + 1) - here)
        return i + 1, x, [states.write(i + 1, x) for states in kept]

    _, last, kept = tf.while_loop(
        lambda i, *_: i < nb_step, body, (tf.constant(0), x, kept), parallel_iterations=1
    )
    return last, kept[0].stack() if keep else None
