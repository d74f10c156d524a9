"""The step that all explicit Runge-Kutta methods share.

Nothing here depends on networks, images or grids; a vector field is any function of states and
alphas.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.ode.tableaus import Tableau

# (x float32 [N, ...], alpha float32 [N]) -> dx/dalpha float32 [N, ...], row by row
VectorField = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def step(
    tableau: Tableau,
    field: VectorField,
    x: tf.Tensor,
    alpha: tf.Tensor,
    size: tf.Tensor,
) -> tf.Tensor:
    """Takes one step per row.

    Args:
        tableau: the method.
        field: the vector field.
        x: float32 [N, ...], the states.
        alpha: float32 [N], the position of each row.
        size: float32 [N], the step size of each row; negative for backward steps.

    Returns:
        The new states, float32 [N, ...].
    """
    scale = _per_row(size, x)
    slopes = [field(x, alpha)]
    for row, node in zip(tableau.stages[1:], tableau.nodes[1:], strict=True):
        slopes.append(field(x + scale * _weighted_sum(row, slopes), alpha + size * node))
    return x + scale * _weighted_sum(tableau.weights, slopes)


def _weighted_sum(weights: Sequence[float], slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the weighted sum of tensors of one shape."""
    return tf.add_n([w * s for w, s in zip(weights, slopes, strict=True) if w])


def _per_row(values: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reshapes values, [N], to broadcast over the rows of x, [N, ...]."""
    return tf.reshape(values, [-1] + [1] * (x.shape.rank - 1))
