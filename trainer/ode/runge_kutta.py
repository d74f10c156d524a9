"""Explicit Runge-Kutta methods as Butcher tableaus, and the step that they share.

Nothing here depends on networks, images or grids; a vector field is any function of states and
alphas. Sources: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (II.1, II.4);
"bosh3" is Bogacki and Shampine 3(2) (1989), "dopri5" Dormand and Prince 5(4) (1980).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

# (x float32 [N, ...], alpha float32 [N]) -> dx/dalpha float32 [N, ...], row by row
VectorField = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method.

    Attributes:
        stages: for each stage, the weights of the previous slopes (row i of the matrix a).
        weights: weight of each slope in the step (b).
        nodes: position of each stage within the step, 0 to 1 (c).
        order: order of convergence.
        embedded: weights of a second solution, one order lower, whose distance from the first
            estimates the error. The last stage of such a method is the result of the step (first
            same as last), so its last slope is the first one of the next step.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    nodes: tuple[float, ...]
    order: int
    embedded: tuple[float, ...] | None = None


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
    "bosh3": Tableau(
        ((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
        (2 / 9, 1 / 3, 4 / 9, 0.0),
        (0.0, 1 / 2, 3 / 4, 1.0),
        order=3,
        embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
    ),
    "dopri5": Tableau(
        (
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
        order=5,
        embedded=(
            5179 / 57600,
            0.0,
            7571 / 16695,
            393 / 640,
            -92097 / 339200,
            187 / 2100,
            1 / 40,
        ),
    ),
}


def step(
    tableau: Tableau,
    field: VectorField,
    x: tf.Tensor,
    alpha: tf.Tensor,
    size: tf.Tensor,
    first_slope: tf.Tensor | None = None,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Takes one step per row.

    Args:
        tableau: the method.
        field: the vector field.
        x: float32 [N, ...], the states.
        alpha: float32 [N], the position of each row.
        size: float32 [N], the step size of each row; negative for backward steps.
        first_slope: float32 [N, ...], field(x, alpha) if it is known.

    Returns:
        The new states, float32 [N, ...], and the slopes of all stages, each float32 [N, ...].
    """
    scale = per_row(size, x)
    slopes = [field(x, alpha) if first_slope is None else first_slope]
    for row, node in zip(tableau.stages[1:], tableau.nodes[1:], strict=True):
        slopes.append(field(x + scale * weighted_sum(row, slopes), alpha + size * node))
    return x + scale * weighted_sum(tableau.weights, slopes), slopes


def weighted_sum(weights: Sequence[float], slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the weighted sum of tensors of one shape."""
    return tf.add_n([w * s for w, s in zip(weights, slopes, strict=True) if w])


def per_row(values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reshapes values, [N], to broadcast over the rows of x, [N, ...]."""
    return tf.reshape(values, [-1] + [1] * (x.shape.rank - 1))
