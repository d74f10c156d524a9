"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)
"""

from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf

from trainer.networks.augmentations import encode
from trainer.ode.field import GuidedField, evaluate_network
from trainer.ode.transport import Sampling, Transport
from trainer.rows import beside, to_rows
from trainer.step.batches import Batch, Lesson, Unpacked, unpack
from trainer.step.loss import SquaredError, mean_by_image, sum_by_alpha
from trainer.step.path import Draws, LinearPath, draw, draw_for
from trainer.step.replicas import minimize, place_in_batch, sum_over_replicas, to_logs
from trainer.step.tracked import TrackedModel, Training


@keras.saving.register_keras_serializable("iadb")
class IADBModel(TrackedModel):
    """Learns to map a density x0 (Gaussian noise by default) to the density of the data x1.

        model = IADBModel(network, rank=4)
        model.compile(optimizer="adam")
        model.fit(dataset, epochs=10)                  # batches of x1, or of pairs (x0, x1)
        x1, trajectory = model.sample_iadb(x0, nb_step=128)
        model.evaluate(held_out)                       # the loss on other images
        model.save("model.keras")                      # read again by keras.saving.load_model

    Args:
        network: any Keras model from [x float [N, ...], alpha float [N]] to a tensor shaped as x.
            A conditional one takes [x, alpha, label int64 [N]] with labels from 0 to nb_class;
            nb_class stands for no label. With source_channels x has so many further channels.
        rank: rank of a batch: 2 for points [N, D], 4 for images [N, H, W, C].
        nb_class: number of classes of a conditional network; 0 if the network takes no label.
        source_channels: channels of a source that the network sees beside x; 0: none.
        training: how it is trained.
        sampling: how it draws, as in Sampling("heun", nb_step=32); may be set between two calls.
    """

    def __init__(
        self,
        network: keras.Model,
        rank: int = 4,
        *,
        nb_class: int = 0,
        source_channels: int = 0,
        training: Training | None = None,
        sampling: Sampling | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, training or Training(), **kwargs)
        self.rank, self.nb_class, self.source_channels = rank, nb_class, source_channels
        self.line, self.error = LinearPath(self.training.pair_noise), SquaredError()
        self.sampling = sampling or Sampling()

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Takes one step on a batch, as `unpack` of trainer.step.batches takes it (algorithm 3).

        Returns:
            `loss` and, before clipping, `gradient_norm`, float32 [], of the global batch.
        """
        batch = unpack(data, self.rank, self.nb_class, self.source_channels)
        # Each replica draws for the global batch and takes its part, so the numbers do not depend
        # on how many replicas share the work.
        shape, part = place_in_batch(tf.shape(batch.x1))
        lesson = self.lesson(batch, self.draw(shape).rows(part))
        count, images = tf.reduce_prod(tf.cast(shape, tf.float32)), tf.cast(shape[0], tf.float32)
        with tf.GradientTape() as tape:
            slope = evaluate_network(self.network, lesson.inputs, training=True)
            squares = self.error(slope, lesson.slope)
            # The share of this replica in the mean over the global batch: 0 if it has no rows.
            share = tf.reduce_sum(self.error.weighted(squares)) / count + self.added_losses()
            scaled = self.optimizer.scale_loss(share)
        gradient_norm = minimize(tape, scaled, self.network.trainable_variables, self.optimizer)
        self.count_step(images)
        loss = sum_over_replicas(tf.reduce_sum(squares) / count)
        self.track(loss, images, sum_by_alpha(mean_by_image(squares), lesson.alpha))
        self.gradient_norm_tracker.update_state(gradient_norm)
        return to_logs(loss=loss, gradient_norm=gradient_norm)

    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Adds the loss on a batch; returns that of all images since the metrics were reset."""
        sums, counts = sum_by_alpha(*self.held_out_losses(data))
        images = tf.reduce_sum(counts)
        self.track(tf.reduce_sum(sums) / images, images, (sums, counts))
        return to_logs(loss=self.loss_tracker.result())

    def held_out_losses(self, data: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Measures the loss of each image of a batch, with the network that draws samples.

        Noise and alpha depend on the seed and the images alone, so that the losses of two
        evaluations on the same batches differ by the networks alone.

        Returns:
            Losses, float32 [N], and alphas, float32 [N], spread evenly over the batch.
        """
        batch = unpack(data, self.rank, self.nb_class, self.source_channels)
        lesson = self.lesson(batch, draw_for(batch.x1, self.training.seed))
        slope = evaluate_network(self.sampling_network, lesson.inputs)
        return mean_by_image(self.error(slope, lesson.slope)), lesson.alpha

    def draw(self, shape: tf.Tensor) -> Draws:
        """Draws noise and alphas for the next step, and the labels that it drops."""
        seed = [tf.constant(self.training.seed, tf.int64), tf.convert_to_tensor(self.step)]
        return draw(tf.stack(seed), shape, self.training.label_dropout)

    def lesson(self, batch: Unpacked, drawn: Draws) -> Lesson:
        """What the network is asked about a batch, and the slopes that it should return."""
        alpha = seen = drawn.alpha if batch.alpha is None else batch.alpha
        x0 = self.line.begin(batch.x0, drawn.noise)
        x_alpha, slope = self.line.at(alpha, x0, batch.x1)
        if batch.augmentation is not None:
            seen = encode(alpha, batch.augmentation)
        inputs = [beside(x_alpha, batch.source), seen]
        if self.nb_class:
            none = tf.constant(self.nb_class, tf.int64)
            inputs.append(tf.where(drawn.unlabeled, none, batch.label))
        return Lesson(inputs, slope, alpha)

    def sample_iadb(
        self, x0: Any, nb_step: int | tf.Tensor, label: Any = None, source: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps samples of x0 to samples of x1 (algorithm 4), with one trace for all sizes.

        Args:
            x0: float [N, ...].
            nb_step: number of solver steps, at least 1.
            label: int [N], 0 to nb_class, or one for all rows; without it, no label.
            source: float [N, ..., source_channels], for a network that sees one.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.

        Raises:
            ValueError: what is passed is not what the network takes, or of other rows.
        """
        rows = to_rows(x0, label, source, self.nb_class, self.source_channels)
        states = self._transport.states(nb_step, *rows)
        return states[-1], states

    def transport(
        self, x0: Any, nb_step: int | tf.Tensor, label: Any = None, source: Any = None
    ) -> tf.Tensor:
        """Returns the x1 of `sample_iadb` alone; its memory does not grow with nb_step."""
        rows = to_rows(x0, label, source, self.nb_class, self.source_channels)
        return self._transport.end(nb_step, *rows)

    def predict_step(self, data: Any) -> tf.Tensor:
        """Maps x0, or a dictionary of the arguments of `transport`, to x1; see its `nb_step`."""
        x, other, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.nb_class and other is not None:
            raise ValueError('predict takes labels in a dictionary: {"x0": x0, "label": label}')
        given = x if isinstance(x, dict) else {"x0": x}
        return self.transport(nb_step=self.sampling.nb_step, **given)

    @property
    def field(self) -> GuidedField:
        """d(x, alpha) of the network that draws samples, with its guidance."""
        network, guidance = self.sampling_network, self.sampling.guidance
        early = self.guide if guidance.auto != 1.0 else None
        return GuidedField(network, self.nb_class, self.source_channels, guidance, early)

    @property
    def sampling(self) -> Sampling:
        """How samples are drawn."""
        return self._sampling

    @sampling.setter
    def sampling(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._transport = Transport(sampling, lambda *given: self.field(*given))
        self.predict_function = None  # which was traced with the earlier one

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs, for keras.saving."""
        return super().get_config() | {
            "rank": self.rank,
            "nb_class": self.nb_class,
            "source_channels": self.source_channels,
            "sampling": asdict(self.sampling),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "IADBModel":
        """Builds a model from the result of `get_config`."""
        network = keras.saving.deserialize_keras_object(config.pop("network"), custom_objects)
        training = Training(**config.pop("training"))
        sampling = Sampling.from_config(config.pop("sampling"))
        return cls(network, training=training, sampling=sampling, **config)
