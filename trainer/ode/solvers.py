"""Solves dx/dalpha = d(x, alpha) between alpha = 0 and 1 by a tableau on a step grid.

    solver = get("heun", grid="late")
    x1 = solve(solver, field, x0, nb_step).x
    x0 = solve(solver, field, x1, nb_step, backward=True).x

Costs are numbers of network evaluations (NFE), by which solvers are compared. With guidance the
field evaluates networks twice or four times where one is counted here (trainer/vector_field.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from trainer.ode import adaptive, runge_kutta
from trainer.ode.runge_kutta import VectorField
from trainer.ode.step_grids import GRIDS, Grid
from trainer.ode.tableaus import TABLEAUS, Tableau


@dataclass(frozen=True)
class Solver:
    """How the ODE is solved.

    Attributes:
        tableau: the Runge-Kutta method; one with an embedded solution adapts its step size.
        grid: positions of the steps; for an adaptive solver, of the states of a trajectory.
        rtol, atol: the error tolerance per step of an adaptive solver, atol + rtol |x|, for the
            root mean square over the values of an image.
    """

    tableau: Tableau
    grid: Grid = GRIDS["uniform"]
    rtol: float = 1e-3
    atol: float = 1e-3

    @property
    def adaptive(self) -> bool:
        """Whether the error controls the step size; nb_step then limits the attempted steps."""
        return self.tableau.embedded is not None

    @property
    def nfe_per_step(self) -> int:
        """Network evaluations per step."""
        # An adaptive step reuses the last slope of the previous step.
        return len(self.tableau.weights) - self.adaptive


SOLVERS = {name: Solver(tableau) for name, tableau in TABLEAUS.items()}


def get(
    solver: str | Solver, grid: str = "uniform", *, rtol: float = 1e-3, atol: float = 1e-3
) -> Solver:
    """Returns the solver with these names (in TABLEAUS and GRIDS), or a Solver unchanged.

    Raises:
        ValueError: a name is unknown.
    """
    if isinstance(solver, Solver):
        return solver
    for about, name, known in (("solver", solver, TABLEAUS), ("grid", grid, GRIDS)):
        if name not in known:
            raise ValueError(f"{about} {name!r} is unknown; choose from {', '.join(known)}")
    return Solver(TABLEAUS[solver], GRIDS[grid], rtol, atol)


def to_names(solver: Solver) -> dict[str, Any]:
    """Returns the arguments of `get` that give this solver.

    Raises:
        ValueError: its tableau or its grid is none of TABLEAUS and GRIDS.
    """
    tableau = [name for name, known in TABLEAUS.items() if known == solver.tableau]
    grid = [name for name, known in GRIDS.items() if known is solver.grid]
    if not tableau or not grid:
        unknown = "tableau" if not tableau else "grid"
        raise ValueError(f"the solver's {unknown} is none of the project's, so it has no name")
    return {"solver": tableau[0], "grid": grid[0], "rtol": solver.rtol, "atol": solver.atol}


def nfe(solver: Solver, nb_step: int) -> int:
    """Returns the network evaluations for nb_step steps; for an adaptive solver, the maximum."""
    return solver.nfe_per_step * nb_step + solver.adaptive


@dataclass(frozen=True)
class Solution:
    """The states at the end.

    Attributes:
        x: float32 [N, ...].
        nfe: int32 [N], network evaluations that each row needed; the batch costs their maximum.
    """

    x: tf.Tensor
    nfe: tf.Tensor


def solve(
    solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor, *, backward: bool = False
) -> Solution:
    """Integrates x from alpha = 0 to 1 (backward: from 1 to 0, on the same grid).

    Args:
        solver: one of SOLVERS, or the result of `get`.
        field: the vector field.
        x: float32 [N, ...], the states at the start.
        nb_step: int32 [], number of steps; for an adaptive solver the maximum of attempted steps.
            One trace serves any number.
        backward: integrate from x1 to x0.

    Returns:
        The states at the end. Memory does not grow with nb_step.
    """
    if solver.adaptive:
        state, _ = _march_adaptively(solver, field, x, nb_step, backward=backward)
        return Solution(state.x, state.nfe)
    state, _ = _march_on_grid(solver, field, x, nb_step, backward=backward)
    return Solution(state, tf.fill(tf.shape(x)[:1], solver.nfe_per_step * nb_step))


def trajectory(solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor) -> tf.Tensor:
    """Solves like `solve` and returns all states, float32 [nb_step + 1, N, ...], from x0 to x1.

    State i is at alpha = grid(i / nb_step) for every solver: the states of an adaptive solver are
    interpolated, except the first and the last.
    """
    if solver.adaptive:
        _, states = _march_adaptively(solver, field, x, nb_step, keep=True)
        fractions = tf.range(nb_step + 1, dtype=tf.int32) / nb_step
        return adaptive.interpolate(states, solver.grid(tf.cast(fractions, tf.float32), tf))
    return _march_on_grid(solver, field, x, nb_step, keep=True)[1]


def _march_on_grid(
    solver: Solver,
    field: VectorField,
    x: tf.Tensor,
    nb_step: tf.Tensor,
    *,
    backward: bool = False,
    keep: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    rows = tf.shape(x)[:1]

    def alpha(i: tf.Tensor) -> tf.Tensor:
        i = nb_step - i if backward else i
        return tf.fill(rows, solver.grid(tf.cast(i, x.dtype) / tf.cast(nb_step, x.dtype), tf))

    def advance(i: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        here = alpha(i)
        return runge_kutta.step(solver.tableau, field, x, here, alpha(i + 1) - here)[0]

    return _march(advance, x, nb_step, keep=keep)


def _march_adaptively(
    solver: Solver,
    field: VectorField,
    x: tf.Tensor,
    nb_step: tf.Tensor,
    *,
    backward: bool = False,
    keep: bool = False,
) -> tuple[adaptive.State, adaptive.State]:
    begin, end = (1.0, 0.0) if backward else (0.0, 1.0)

    def advance(i: tf.Tensor, state: adaptive.State) -> adaptive.State:
        return adaptive.advance(
            solver.tableau, field, state, end, nb_step - i, solver.rtol, solver.atol
        )

    return _march(
        advance,
        adaptive.start(field, x, begin),
        nb_step,
        unfinished=lambda state: tf.reduce_any(state.alpha != end),
        keep=keep,
    )


def _march(
    advance: Callable[[tf.Tensor, Any], Any],
    state: Any,
    nb_step: tf.Tensor,
    *,
    unfinished: Callable[[Any], tf.Tensor] = lambda _: tf.constant(True),
    keep: bool = False,
) -> tuple[Any, Any]:
    """Repeats state = advance(i, state), nb_step times or until nothing is unfinished.

    Returns:
        The last state and, with `keep`, all states, each tensor with a leading axis of at most
        nb_step + 1.
    """
    tf.debugging.assert_positive(nb_step, "nb_step must be at least 1")
    kept = [
        tf.TensorArray(t.dtype, size=nb_step + 1, element_shape=t.shape).write(0, t)
        for t in tf.nest.flatten(state)
        if keep
    ]

    def body(i: tf.Tensor, state: Any, kept: list[tf.TensorArray]) -> tuple:
        state = advance(i, state)
        parts = tf.nest.flatten(state) if keep else []
        return i + 1, state, [a.write(i + 1, t) for a, t in zip(kept, parts, strict=True)]

    nb_done, last, kept = tf.while_loop(
        lambda i, state, _: (i < nb_step) & unfinished(state),
        body,
        (tf.constant(0), state, kept),
        parallel_iterations=1,
    )
    written = [array.gather(tf.range(nb_done + 1)) for array in kept]
    return last, tf.nest.pack_sequence_as(state, written) if keep else None
