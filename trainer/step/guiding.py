"""The network as it was early in its training, which guides the finished one in sampling.

Karras et al., "Guiding a Diffusion Model with a Bad Version of Itself" (NeurIPS 2024, arXiv
2406.02507): where the two differ, the finished network is on the way to what it has not fully
learned. Autoguidance goes further in that direction (trainer/ode/guidance.py).
"""

import keras
import tensorflow as tf

from trainer.step.frozen_copy import frozen_copy
from trainer.step.replicas import update_together


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
