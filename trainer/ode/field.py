"""The network as the vector field of the ODE, with guidance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from trainer.ode.guidance import UNGUIDED, WHOLE, Guidance, Interval, evaluations_per_slope, guide
from trainer.ode.methods import VectorField
from trainer.rows import beside, per_row

if TYPE_CHECKING:
    import keras  # whose import takes seconds, which a server needs not wait for

    from trainer.step.copies import GuidingNetwork


# As a Keras model is called: a list of inputs, and `training`.
Network = Callable[..., tf.Tensor]


def evaluate_network(
    network: Network, inputs: Sequence[tf.Tensor], training: bool = False
) -> tf.Tensor:
    """Returns the output of a network as float32, also under a policy of mixed precision."""
    return tf.cast(network(inputs, training=training), tf.float32)


def autoguided(
    network: Network, early: Network, weight: float | tf.Tensor, interval: Interval = WHOLE
) -> Network:
    """Returns the network guided by itself, as it was early in its training.

    Args:
        network, early: map the same inputs, of which alpha is the second, to the difference.
        weight: of autoguidance; 1 stands for the network alone.
        interval: of the alphas at which the network is guided.
    """

    def guided(inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        better, worse = (evaluate_network(each, inputs, training) for each in (network, early))
        if interval == WHOLE:
            return guide(better, worse, weight)
        alpha = per_row(inputs[1], better)
        inside = tf.logical_and(alpha >= interval[0], alpha <= interval[1])
        return tf.where(inside, guide(better, worse, weight), better)

    return guided


def vector_field(
    network: "keras.Model | Network",
    label: tf.Tensor | None = None,
    nb_class: int = 0,
    guidance: float = 1.0,
    source: tf.Tensor | None = None,
) -> VectorField:
    """Returns the network as d(x, alpha), with one alpha and one label per row.

    Args:
        network: maps [x, alpha], or [x, alpha, label] if a label is passed, to the difference.
        label: int64 [N], 0 to nb_class; nb_class stands for no label.
        nb_class: number of classes of the network.
        guidance: weight of classifier-free guidance.
        source: float32 [N, ..., S], which the network sees as further channels of x; guidance
            leaves it in both branches.
    """
    if label is None:
        return lambda x, alpha: evaluate_network(network, [beside(x, source), alpha])
    if evaluations_per_slope(guidance) == 1:
        return lambda x, alpha: evaluate_network(network, [beside(x, source), alpha, label])
    labels = tf.concat([label, tf.fill(tf.shape(label), tf.constant(nb_class, tf.int64))], 0)

    def field(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
        x = beside(x, source)
        twice = [tf.concat([x, x], 0), tf.concat([alpha, alpha], 0), labels]
        with_label, without = tf.split(evaluate_network(network, twice), 2)
        return guide(with_label, without, guidance)

    return field


@dataclass(frozen=True)
class GuidedField:
    """The vector field that samples follow, as a function of what they are asked for.

    Attributes:
        network: draws the samples.
        nb_class: number of classes; 0 if the network takes no label.
        source_channels: channels of a source that the network sees beside x; 0: none.
        guidance: how far the field goes beyond the network.
        early: the network as it was early in its training, for autoguidance; None for none.
    """

    network: "keras.Model"
    nb_class: int = 0
    source_channels: int = 0
    guidance: Guidance = UNGUIDED
    early: "GuidingNetwork | None" = None

    def __call__(self, *conditions: tf.Tensor) -> VectorField:
        """Returns d(x, alpha).

        Args:
            conditions: labels, int64 [N], if the network takes any, and sources, if it sees any.
        """
        left = iter(conditions)
        label = next(left) if self.nb_class else None
        source = next(left) if self.source_channels else None
        network = self.network
        if self.early:
            weight = self.early.weight(self.guidance.auto)
            network = autoguided(network, self.early.network, weight, self.guidance.interval)
        return vector_field(network, label, self.nb_class, self.guidance.label, source)
