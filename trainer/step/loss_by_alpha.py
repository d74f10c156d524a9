"""The mean loss by parts of alpha, as a Keras metric."""

import keras
import tensorflow as tf

ALPHA_BINS = 10  # equal parts of [0, 1]


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
    """Sums and counts losses, float32 [N], by the part that contains alpha, float32 [N]."""
    parts = tf.clip_by_value(tf.cast(alpha * ALPHA_BINS, tf.int32), 0, ALPHA_BINS - 1)
    sums = tf.math.unsorted_segment_sum(losses, parts, ALPHA_BINS)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(losses), parts, ALPHA_BINS)
    return sums, counts
