"""The loss of equation 8 of the paper, and its means by image and by parts of alpha."""

import keras
import tensorflow as tf

from trainer.step.replicas import sum_over_replicas

ALPHA_BINS = 10  # equal parts of [0, 1]


class SquaredError:
    """|d(x_alpha, alpha) - (x1 - x0)|^2, alike for all images and alphas."""

    def __call__(self, slope: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
        """The squared errors, float32 [N, ...], of what a network returns, of the same shape.

        Raises:
            ValueError: the shapes differ.
        """
        if not slope.shape.is_compatible_with(expected.shape):
            raise ValueError(
                f"the network returns {slope.shape} for x_alpha of {expected.shape}; it must "
                "return the shape of x_alpha"
            )
        return tf.square(slope - expected)

    def weighted(self, squares: tf.Tensor) -> tf.Tensor:
        """The errors that are minimized, float32 [N, ...], of the squared ones."""
        return squares


def mean_by_image(values: tf.Tensor) -> tf.Tensor:
    """The mean of each image, float32 [N], of values, float32 [N, ...]."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


class LossByAlpha(keras.metrics.Metric):
    """The mean loss of the images whose alpha is in each of ALPHA_BINS equal parts of [0, 1]."""

    def __init__(self, name: str = "loss_by_alpha") -> None:
        super().__init__(name=name)
        # Every replica adds the sums of the global batch. To add up replicas would also need all
        # workers, and only the chief reads the metric in `fit`.
        first = "only_first_replica"
        self.sums = self.add_variable((ALPHA_BINS,), "zeros", aggregation=first, name="sums")
        self.counts = self.add_variable((ALPHA_BINS,), "zeros", aggregation=first, name="counts")

    def update_state(self, sums: tf.Tensor, counts: tf.Tensor) -> None:
        """Adds sums and counts of losses by part, float32 [ALPHA_BINS] each."""
        self.sums.assign_add(sums)
        self.counts.assign_add(counts)

    def result(self) -> tf.Tensor:
        """Returns the means, float32 [ALPHA_BINS]; NaN for a part without images."""
        return self.sums / self.counts


def sum_by_alpha(losses: tf.Tensor, alpha: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums and counts losses of all replicas by the part of alpha; both are float32 [N]."""
    parts = tf.clip_by_value(tf.cast(alpha * ALPHA_BINS, tf.int32), 0, ALPHA_BINS - 1)
    sums = tf.math.unsorted_segment_sum(losses, parts, ALPHA_BINS)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(losses), parts, ALPHA_BINS)
    return sum_over_replicas((sums, counts))
