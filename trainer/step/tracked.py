"""A network in training, with all of its state that Keras saves and reports."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf

# Some only register what saved models consist of, for keras.saving.load_model.
from trainer.networks import mlp, unet  # noqa: F401
from trainer.optimizers.adam import FusedAdam  # noqa: F401
from trainer.optimizers.muon import ConvolutionalMuon  # noqa: F401
from trainer.step.copies import ExponentialMovingAverage, GuidingNetwork
from trainer.step.loss import LossByAlpha


@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Attributes:
        seed: of noise and alpha. Both depend only on it and on the number of steps, so a resumed
            training continues exactly as an uninterrupted one.
        label_dropout: fraction of a batch that is trained without its label.
        pair_noise: share of noise that is blended into the x0 of pairs, 0 to 1. In sampling, x0 is
            taken as it is passed.
        half_life: of the moving average of the weights, which then draws the samples, in images;
            0: there is none.
        warmup: limits the half-life to this fraction of the images seen so far; 0: no limit.
        guide_after: steps of the training after which the network that draws samples is kept as the
            guide of autoguidance; 0: there is none.
    """

    seed: int = 0
    label_dropout: float = 0.1
    pair_noise: float = 0.0
    half_life: float = 0.0
    warmup: float = 0.0
    guide_after: int = 0


class TrackedModel(keras.Model):
    """Counts the steps of a network and averages its losses; keeps its average and its guide.

    Args:
        network: is trained by the steps of a subclass.
        training: which copies there are.

    Attributes:
        ema: the moving average of the weights; None: there is none. Also `ema_network`.
        guide: keeps the network that draws samples as it is early in the training; or None.
        step: int64 [], the steps so far. Not the optimizer's iterations, which skip steps whose
            float16 gradients overflowed.
        loss_by_alpha: the metric of losses by part of [0, 1], which the logs leave out.

    Raises:
        ValueError: there is a copy, but the network has no weights yet, or of low precision.
    """

    def __init__(self, network: keras.Model, training: Training, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.training = network, training
        self.ema = self.ema_network = self.guide = None
        if training.half_life:
            self.ema = ExponentialMovingAverage(network, training.half_life, training.warmup)
            self.ema_network = self.ema.network  # Keras saves what it finds in attributes
        if training.guide_after:
            self.guide = GuidingNetwork(self.ema_network or network, training.guide_after)
            self.guide_network, self.guide_ready = self.guide.network, self.guide.ready
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.loss_tracker = keras.metrics.Mean("loss")
        self.gradient_norm_tracker = keras.metrics.Mean("gradient_norm")
        self.loss_by_alpha = LossByAlpha()
        self.built = True  # else Keras would call this model symbolically

    @property
    def sampling_network(self) -> keras.Model:
        """The network that draws samples: the average if there is one."""
        return self.ema_network or self.network

    def count_step(self, images: tf.Tensor) -> None:
        """Counts a step on so many images, float32 [], and lets the copies follow the network."""
        self.step.assign_add(1)
        if self.ema:
            self.ema.update(tf.cast(self.step, tf.float32) * images, images)
        if self.guide:
            self.guide.update(self.step)

    def track(
        self, loss: tf.Tensor, images: tf.Tensor, by_alpha: tuple[tf.Tensor, tf.Tensor]
    ) -> None:
        """Adds the mean loss of so many images, float32 [] each, and its sums by alpha."""
        self.loss_tracker.update_state(loss, sample_weight=images)
        self.loss_by_alpha.update_state(*by_alpha)

    def added_losses(self) -> tf.Tensor | float:
        """This replica's share of those of regularizers, and of layers that add losses."""
        nb_replica = tf.distribute.get_replica_context().num_replicas_in_sync
        return sum(tf.cast(each, tf.float32) / nb_replica for each in self.network.losses)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, under the names that the logs of each step have."""
        return [self.loss_tracker, self.gradient_norm_tracker]

    def reset_metrics(self) -> None:
        """Forgets all losses, as Keras does at the start of an epoch and of an evaluation."""
        super().reset_metrics()
        self.loss_by_alpha.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns what Keras saves beside the weights."""
        return {
            "name": self.name,
            # By which Keras decides whether the loss is scaled.
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "network": keras.saving.serialize_keras_object(self.network),
            "training": asdict(self.training),
        }

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras averages a batch over replicas, which it cannot for dictionaries, to build the
        # model. Of this one, only the optimizer may not be built; if the first step built it, this
        # would be traced twice. A frozen network can be measured.
        weights = self.network.trainable_variables
        if self.optimizer and not self.optimizer.built and weights:
            with self.distribute_strategy.scope():
                self.optimizer.build(weights)
