"""Helpers of a training step whose result does not depend on the number of replicas."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes share the training."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def place_in_batch(shape: tf.Tensor) -> tuple[tf.Tensor, slice]:
    """Returns the shape of the global batch, int32 [rank], and which rows are of this replica.

    Replicas may differ in their rows: in the last batch of an epoch, some may have none.

    Args:
        shape: of this replica's part, int32 [rank].
    """
    replicas = tf.distribute.get_replica_context()
    if replicas.num_replicas_in_sync == 1:
        return shape, slice(None)
    index = tf.cast(replicas.replica_id_in_sync_group, tf.int32)
    own = tf.one_hot(index, replicas.num_replicas_in_sync) * tf.cast(shape[0], tf.float32)
    counts = tf.cast(sum_over_replicas(own), tf.int32)
    first = tf.reduce_sum(counts[:index])
    whole = tf.concat([tf.reduce_sum(counts)[None], shape[1:]], 0)
    return whole, slice(first, first + shape[0])


def sum_over_replicas(values: Any) -> Any:
    """The sums of tensors, or of nested ones, of all replicas."""
    replicas = tf.distribute.get_replica_context()
    return replicas.all_reduce(tf.distribute.ReduceOp.SUM, values)


def minimize(
    tape: tf.GradientTape,
    scaled_loss: tf.Tensor,
    weights: Sequence[keras.Variable],
    optimizer: keras.optimizers.Optimizer,
) -> tf.Tensor:
    """Lets the optimizer take a step; returns the norm of the gradients before they are clipped.

    Args:
        tape: has recorded the loss.
        scaled_loss: this replica's share in the loss of the global batch, float32 [], as
            `optimizer.scale_loss` scales it.
        weights: to change; those that the loss does not depend on stay as they are.
        optimizer: of these weights, or of more.
    """
    nb_replica = tf.distribute.get_replica_context().num_replicas_in_sync
    found = zip(tape.gradient(scaled_loss, weights), weights, strict=True)
    used = [(gradient, weight) for gradient, weight in found if gradient is not None]
    # The gradients of an embedding are sparse, one row per image: their norm would be wrong.
    gradients = sum_over_replicas([tf.convert_to_tensor(gradient) for gradient, _ in used])
    norm = tf.linalg.global_norm(gradients) / optimizer.scale_loss(1.0)
    shares = share_gradients(gradients, optimizer, nb_replica)
    optimizer.apply(shares, [weight for _, weight in used])
    return norm


def share_gradients(
    gradients: Sequence[tf.Tensor], optimizer: keras.optimizers.Optimizer, nb_replica: int
) -> Sequence[tf.Tensor]:
    """Returns the share of the global batch's gradients that each replica passes to the optimizer.

    A Keras optimizer clips the gradients of each replica and then sums them, so its clipping
    depends on the number of replicas. Equal shares of clipped gradients are within its limits and
    sum to the clipped gradients.

    Args:
        gradients: of the global batch, scaled as `optimizer.scale_loss` scales the loss; dense.
        optimizer: its limits are applied.
        nb_replica: number of replicas. With one, the optimizer clips by itself.
    """
    if nb_replica == 1:
        return gradients
    limits = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    scale = optimizer.scale_loss(1.0)
    if limits.clipnorm:
        gradients = [tf.clip_by_norm(g, limits.clipnorm * scale) for g in gradients]
    elif limits.global_clipnorm:
        gradients, _ = tf.clip_by_global_norm(gradients, limits.global_clipnorm * scale)
    elif limits.clipvalue:
        limit = limits.clipvalue * scale
        gradients = [tf.clip_by_value(g, -limit, limit) for g in gradients]
    return [g / nb_replica for g in gradients]


def to_logs(**values: tf.Tensor) -> dict[str, tf.Tensor]:
    """Scalars as a step returns them to Keras."""
    if has_several_workers(tf.distribute.get_strategy()):
        # Keras averages the logs of workers over their first axis, which a scalar lacks.
        return {name: value[None] for name, value in values.items()}
    return values


def update_together(
    strategy: tf.distribute.Strategy,
    variables: Sequence[tf.Variable],
    update: Callable[..., None],
    *args: Any,
) -> None:
    """Updates variables on each device at once: one by one, it would take long to trace.

    Args:
        strategy: of the variables; to be called in its cross-replica context.
        variables: at least one; they say which devices these are.
        update: is called once on each device, with what of `args` is there. In it, each variable
            stands for its copy on that device.
        args: values for `update`.
    """
    strategy.extended.update(variables[0], lambda _, *given: update(*given), args, group=False)
