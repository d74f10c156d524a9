"""Checks of a request to the exported sampler, in its graph, that come before any computation.

All raise tf.errors.InvalidArgumentError, which servers return to the caller.
"""

from collections.abc import Sequence

import tensorflow as tf

from trainer.ode.options import LimitOptions


def within(limits: LimitOptions, rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of a request, [N, ...], if N is within the limits.

    Args:
        limits: the error names the one that is exceeded.
        rows: one per image.
    """
    return _after(_checks(limits, {"images": tf.shape(rows, tf.int64)[0]}), rows)


def within_steps(
    limits: LimitOptions, rows: tf.Tensor, nb_step: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows and the solver steps, int32 [], of a request if both are within the limits.

    Only what is computed from the returned steps waits for the check: a list of nb_step states, for
    example, is allocated whatever happens to the rows.
    """
    images, steps = tf.shape(rows, tf.int64)[0], tf.cast(nb_step, tf.int64)
    checks = _checks(limits, {"images": images, "nb_step": steps, "states": images * steps})
    return _after(checks, rows), _after(checks, nb_step)


def _checks(limits: LimitOptions, found: dict[str, tf.Tensor]) -> list[tf.Operation]:
    checks = []
    for name, value in found.items():
        limit = getattr(limits, name)
        message = f"one request may ask for at most {limit} {name} (sample.limits.{name}), got"
        checks.append(tf.debugging.Assert(value <= limit, [message, value]))
    return checks


def finite(x: tf.Tensor, name: str) -> tf.Tensor:
    """Returns x if it contains neither NaN nor infinity; the error names it."""
    message = f"{name} contains NaN or infinity"
    return _after([tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(x)), [message])], x)


def one_per_image(x: tf.Tensor, rows: tf.Tensor, name: str) -> tf.Tensor:
    """Returns x, [N, ...], if it has as many rows as `rows`; the error names it."""
    message = f"expected one {name} per image"
    return _after([tf.debugging.assert_equal(tf.shape(x)[0], tf.shape(rows)[0], message)], x)


def _after(checks: Sequence[tf.Operation], x: tf.Tensor) -> tf.Tensor:
    # Without the dependency the runtime may compute while it checks.
    with tf.control_dependencies(checks):
        return tf.identity(x)
