"""Copies of a network that are not trained themselves: its average, and what guides it.

The average is exponential, with its half-life in images, as in Karras et al., "Analyzing and
Improving the Image Quality of StyleGAN" (2020): the warm-up limits the half-life to a fraction of
the images seen, so early weights fade quickly.

The guide is the network as it was early in its training: Karras et al., "Guiding a Diffusion Model
with a Bad Version of Itself" (NeurIPS 2024, arXiv 2406.02507). Where the two differ, the finished
network is on the way to what it has not fully learned, and autoguidance goes further in that
direction (trainer/ode/guidance.py).
"""

import keras
import tensorflow as tf

from trainer.step.replicas import update_together


class ExponentialMovingAverage:
    """Keeps a second network whose weights are the average of the first one's.

    Args:
        network: the network in training, built; Keras must be able to clone it.
        half_life: images after which the contribution of a weight has halved; 0: no average.
        warmup: limits the half-life to this fraction of the images seen so far, for which
            IADBModel takes its steps times the present batch size; 0: no limit.

    Raises:
        ValueError: the network is not built, or its trained weights are of low precision, in which
            an average would stand still.
    """

    def __init__(self, network: keras.Model, half_life: float, warmup: float) -> None:
        trained = network.trainable_variables
        dtypes = {keras.backend.standardize_dtype(each.dtype) for each in trained}
        if low := sorted(dtypes & {"bfloat16", "float16"}):
            raise ValueError(
                f"weights of {', '.join(low)} cannot be averaged: use the policy mixed_{low[0]}, "
                "which keeps them in float32"
            )
        self.source = network
        self.network = frozen_copy(network, "average")
        self.half_life = half_life
        self.warmup = warmup

    def decay(self, images_seen: tf.Tensor, batch_size: tf.Tensor) -> tf.Tensor:
        """Returns the weight of the old average, float32 [], in a step that ends at images_seen."""
        half_life = tf.cast(self.half_life, tf.float32)
        if self.warmup:
            half_life = tf.minimum(half_life, self.warmup * images_seen)
        return tf.pow(0.5, batch_size / half_life)

    def update(self, images_seen: tf.Tensor, batch_size: tf.Tensor) -> None:
        """Moves the average towards the current weights; call it in a replica context.

        Args:
            images_seen: float32 [], images seen by all replicas up to and including this step.
            batch_size: float32 [], images of all replicas in this step.
        """
        decay = self.decay(images_seen, batch_size)
        tf.distribute.get_replica_context().merge_call(self._update, args=(decay,))

    def _update(self, strategy: tf.distribute.Strategy, decay: tf.Tensor) -> None:
        averages, weights = (
            [weight.value for weight in network.weights] for network in (self.network, self.source)
        )

        def move(decay: tf.Tensor) -> None:
            for average, weight in zip(averages, weights, strict=True):
                value = weight.read_value()
                if value.dtype.is_floating:
                    value += tf.cast(decay, value.dtype) * (average.read_value() - value)
                # Others, such as the count of a Normalization, are copied.
                average.assign(value, read_value=False)

        update_together(strategy, averages, move, decay)


class GuidingNetwork:
    """Keeps a copy of a network as it was after a number of steps.

    Args:
        source: the network that draws samples, built; Keras must be able to clone it.
        after: steps of the training after which the copy is taken, at least 1.

    Raises:
        ValueError: the network is not built.

    Attributes:
        network: the copy.
        ready: int64 [], a variable, 1 once the copy has been taken, before that 0.
    """

    def __init__(self, source: keras.Model, after: int) -> None:
        self.source = source
        self.network = frozen_copy(source, "guide")
        self.after = after
        self.ready = keras.Variable(
            0, dtype="int64", trainable=False, name="ready", aggregation="only_first_replica"
        )

    @property
    def is_ready(self) -> bool:
        """Whether the copy has been taken; outside of graphs."""
        # A replicated variable does not convert to a number itself.
        return bool(self.ready.value.numpy())

    def update(self, step: tf.Tensor) -> None:
        """Takes the copy once, in the step `after`; call it in a replica context.

        Args:
            step: int64 [], the steps so far.
        """
        now = tf.logical_and(tf.greater_equal(step, self.after), tf.equal(self.ready.value, 0))
        tf.distribute.get_replica_context().merge_call(self._update, args=(now,))

    def weight(self, autoguidance: float) -> tf.Tensor:
        """The weight of autoguidance, float32 []: 1, for none, until the copy has been taken."""
        return tf.where(tf.equal(self.ready.value, 1), tf.cast(autoguidance, tf.float32), 1.0)

    def _update(self, strategy: tf.distribute.Strategy, now: tf.Tensor) -> None:
        copies, weights = (
            [weight.value for weight in network.weights] for network in (self.network, self.source)
        )
        ready = self.ready.value

        def assign() -> None:
            for copy, weight in zip(copies, weights, strict=True):
                copy.assign(weight.read_value(), read_value=False)
            ready.assign(1, read_value=False)

        def take() -> None:
            update_together(strategy, [*copies, ready], assign)

        # All replicas are at the same step. One branch for all weights: to trace one for each takes
        # seconds.
        tf.cond(strategy.experimental_local_results(now)[0], take, lambda: None)


def frozen_copy(network: keras.Model, use: str) -> keras.Model:
    """Returns a copy with the weights of now.

    Args:
        network: built; Keras must be able to clone it.
        use: what the copy is for, in errors.

    Raises:
        ValueError: the network is not built.
    """
    if not network.built:
        raise ValueError(f"the network has no weights yet: call it once before its {use} is made")
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # computes with the weights that it was given
    copy.trainable = False
    return copy
