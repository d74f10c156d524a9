"""Explicit Runge-Kutta solvers of dx/dalpha = d(x, alpha), as data: a Butcher tableau each.

A solver knows nothing of networks or images; a vector field is any function of a state and a time.
Source of the tableaux: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

# (x float32 [N, ...], alpha float32 []) -> dx/dalpha float32 [N, ...]
VectorField = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Solver:
    """An explicit Runge-Kutta method.

    Attributes:
        stages: for each stage, the weights of the slopes before it (row i of the matrix a).
        weights: weight of each slope in the step (b).
        nodes: position of each stage within the step, 0 to 1 (c).
        order: of convergence.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    nodes: tuple[float, ...]
    order: int

    @property
    def nfe_per_step(self) -> int:
        """Network evaluations that one step costs."""
        return len(self.weights)


SOLVERS = {
    "euler": Solver(((),), (1.0,), (0.0,), order=1),
    "midpoint": Solver(((), (0.5,)), (0.0, 1.0), (0.0, 0.5), order=2),
    "heun": Solver(((), (1.0,)), (0.5, 0.5), (0.0, 1.0), order=2),
    "rk4": Solver(
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
        (0.0, 0.5, 0.5, 1.0),
        order=4,
    ),
}


def step(
    solver: Solver, field: VectorField, x: tf.Tensor, alpha: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Takes one step of the given size (negative: backwards) from x at alpha."""
    slopes: list[tf.Tensor] = []
    for row, node in zip(solver.stages, solver.nodes, strict=True):
        at = x + size * _weighted_sum(row, slopes) if slopes else x
        slopes.append(field(at, alpha + size * node))
    return x + size * _weighted_sum(solver.weights, slopes)


def _weighted_sum(weights: tuple[float, ...], slopes: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([w * s for w, s in zip(weights, slopes, strict=True) if w])


def solve(
    solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor, *, backward: bool = False
) -> tf.Tensor:
    """Carries x from alpha = 0 to 1 (backward: from 1 to 0) on a uniform grid.

    Args:
        solver: one of SOLVERS.
        field: the vector field.
        x: float32 [N, ...], the state at the start.
        nb_step: int32 [], number of steps; one trace serves any number.
        backward: run the ODE the other way, from x1 to x0.

    Returns:
        float32 [N, ...], the state at the end. Memory does not grow with nb_step.
    """
    alphas, size = _grid(nb_step, backward)
    _, x = tf.while_loop(
        lambda i, _: i < nb_step,
        lambda i, x: (i + 1, step(solver, field, x, alphas[i], size)),
        (tf.constant(0), x),
        parallel_iterations=1,
    )
    return x


def trajectory(solver: Solver, field: VectorField, x: tf.Tensor, nb_step: tf.Tensor) -> tf.Tensor:
    """As `solve`, and keeps every state: float32 [nb_step + 1, N, ...], from x0 to x1."""
    alphas, size = _grid(nb_step, backward=False)
    states = tf.TensorArray(tf.float32, size=nb_step + 1, element_shape=x.shape)

    def body(i: tf.Tensor, x: tf.Tensor, states: tf.TensorArray) -> tuple:
        x = step(solver, field, x, alphas[i], size)
        return i + 1, x, states.write(i + 1, x)

    *_, states = tf.while_loop(
        lambda i, *_: i < nb_step,
        body,
        (tf.constant(0), x, states.write(0, x)),
        parallel_iterations=1,
    )
    return states.stack()


def _grid(nb_step: tf.Tensor, backward: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """The alpha at which each step starts, float32 [nb_step], and the step's signed size."""
    size = 1.0 / tf.cast(nb_step, tf.float32)
    alphas = tf.cast(tf.range(nb_step), tf.float32) * size
    return (1.0 - alphas, -size) if backward else (alphas, size)
