"""Exponential moving average of a network's weights, with its half-life in images.

As in Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020): the warm-up
limits the half-life to a fraction of the images seen, so early weights fade quickly.
"""

import keras
import tensorflow as tf

from trainer.step.frozen_copy import frozen_copy
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
