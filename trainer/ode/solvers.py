"""Solves dx/dalpha = d(x, alpha) between alpha = 0 and 1 by a tableau on a step grid.

    solver = methods.get("heun", grid="late")
    x1 = solve(solver, field, x0, nb_step)
    x0 = solve(solver, field, x1, nb_step, backward=True)

Costs are numbers of network evaluations (NFE), by which solvers are compared. With guidance the
field evaluates networks twice or four times where one is counted here (trainer/ode/field.py).
Nothing here depends on networks or images; a field is any function of states and alphas.
"""

import tensorflow as tf

from trainer.ode.methods import Solver, VectorField, step


def solve(
    solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor, *, backward: bool = False
) -> tf.Tensor:
    """Integrates x from alpha = 0 to 1 (backward: from 1 to 0, on the same grid).

    Args:
        solver: how the ODE is solved.
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
        x = step(solver.tableau, field, x, here, alpha(i + 1) - here, tf.add_n)
        return i + 1, x, [states.write(i + 1, x) for states in kept]

    _, last, kept = tf.while_loop(
        lambda i, *_: i < nb_step, body, (tf.constant(0), x, kept), parallel_iterations=1
    )
    return last, kept[0].stack() if keep else None
