"""Adaptive step sizes, controlled per row by its error, so that no image depends on its batch.

Every row has its own alpha and step size, and accepts or retries its step by its own error. A row
that has arrived takes steps of size zero until the last row of its batch arrives.
Step size control as in Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.4.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.ode.runge_kutta import VectorField, per_row, step, weighted_sum
from trainer.ode.tableaus import FIRST_STEP, GROW, SAFETY, SHRINK, Tableau


class State(NamedTuple):
    """The state of each row.

    Attributes:
        x: float32 [N, ...].
        alpha: float32 [N].
        slope: float32 [N, ...], the field at (x, alpha).
        size: float32 [N], size of the next step to try, at least 0.
        nfe: int32 [N], network evaluations spent on the row before it arrived.
    """

    x: tf.Tensor
    alpha: tf.Tensor
    slope: tf.Tensor
    size: tf.Tensor
    nfe: tf.Tensor


def start(field: VectorField, x: tf.Tensor, alpha: float) -> State:
    """Returns the state of all rows at one alpha, before the first step."""
    ones = tf.ones(tf.shape(x)[:1])
    alphas = alpha * ones
    return State(x, alphas, field(x, alphas), FIRST_STEP * ones, tf.cast(ones, tf.int32))


def advance(
    tableau: Tableau,
    field: VectorField,
    state: State,
    end: float,
    tries_left: tf.Tensor,
    rtol: float,
    atol: float,
) -> State:
    """Tries one step of every row towards alpha = end.

    The step size is at least the remaining distance divided by the tries left, and a step of that
    size is accepted whatever its error, so every row arrives within its tries.
    """
    remaining = end - state.alpha
    distance = tf.abs(remaining)
    shortest = distance / tf.cast(tries_left, tf.float32)
    size = tf.clip_by_value(state.size, shortest, distance)
    signed = tf.sign(remaining) * size
    x, slopes = step(tableau, field, state.x, state.alpha, signed, state.slope)

    weights = [b - e for b, e in zip(tableau.weights, tableau.embedded, strict=True)]
    difference = per_row(signed, x) * weighted_sum(weights, slopes)
    # Not differentiated: where a row has arrived, its gradient would not be finite.
    error = tf.stop_gradient(_scaled_norm(difference, state.x, x, rtol, atol))
    taken = (error <= 1.0) | (size <= shortest)
    factor = tf.clip_by_value(SAFETY * error ** (-1.0 / tableau.order), SHRINK, GROW)
    return State(
        tf.where(per_row(taken, x), x, state.x),
        tf.where(taken, tf.where(size < distance, state.alpha + signed, end), state.alpha),
        tf.where(per_row(taken, x), slopes[-1], state.slope),
        size * factor,
        state.nfe + tf.where(distance > 0.0, len(slopes) - 1, 0),
    )


def _scaled_norm(
    difference: tf.Tensor, before: tf.Tensor, after: tf.Tensor, rtol: float, atol: float
) -> tf.Tensor:
    """Returns the root mean square per row, in units of the tolerance; infinite for NaN."""
    tolerated = atol + rtol * tf.maximum(tf.abs(before), tf.abs(after))
    axes = range(1, difference.shape.rank)
    norm = tf.sqrt(tf.reduce_mean(tf.square(difference / tolerated), axis=list(axes)))
    return tf.where(tf.math.is_finite(norm), norm, float("inf"))


def interpolate(states: State, at: tf.Tensor) -> tf.Tensor:
    """Interpolates states by cubic Hermite polynomials.

    Args:
        states: the states from alpha = 0 to 1, each tensor with a leading axis [S].
        at: float32 [M], the alphas to interpolate at.

    Returns:
        float32 [M, N, ...]; at the last alpha, the last state itself.
    """
    alphas, x, slope = (_rows_first(t) for t in (states.alpha, states.x, states.slope))
    wanted = tf.tile(at[tf.newaxis], [tf.shape(alphas)[0], 1])
    right = tf.maximum(tf.searchsorted(alphas, wanted), 1)  # the first state at or after it
    ends = [
        [tf.gather(t, index, batch_dims=1) for index in (right - 1, right)]
        for t in (alphas, x, slope)
    ]
    (alpha_0, alpha_1), (x_0, x_1), (slope_0, slope_1) = ends
    length = alpha_1 - alpha_0
    shape = tf.concat([tf.shape(wanted), tf.ones([x.shape.rank - 2], tf.int32)], 0)
    t = tf.reshape(tf.math.divide_no_nan(wanted - alpha_0, length), shape)
    length = tf.reshape(length, shape)
    return _rows_first(
        (1 + 2 * t) * (1 - t) ** 2 * x_0
        + t * (1 - t) ** 2 * length * slope_0
        + t**2 * (3 - 2 * t) * x_1
        - t**2 * (1 - t) * length * slope_1
    )


def _rows_first(t: tf.Tensor) -> tf.Tensor:
    """Swaps the first two axes."""
    return tf.transpose(t, [1, 0, *range(2, t.shape.rank)])
