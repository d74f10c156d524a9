"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)

A network may see a source beside x_alpha, as further channels; or x0 is the source itself, in pairs
(x0, x1), with a share of noise blended in.

A conditional network also takes the label, or a class id that stands for no label. Sampling may
then use classifier-free guidance, d = d_none + guidance (d_label - d_none), of
trainer/ode/guidance.py. Autoguidance needs no label: the network as it was early in its training
takes the place of d_none.
"""

from typing import Any

import keras
import tensorflow as tf

# Some only register what saved models consist of, for keras.saving.load_model.
from trainer.networks import augmentations, mlp, unet  # noqa: F401
from trainer.ode import solvers
from trainer.ode.guidance import WHOLE, Interval
from trainer.ode.sampling import SamplingModel
from trainer.optimizers.adam import FusedAdam  # noqa: F401
from trainer.optimizers.muon import ConvolutionalMuon  # noqa: F401
from trainer.step.batches import Batch, unpack
from trainer.step.draws import Draws, blend_noise, draw, draw_for
from trainer.step.ema import ExponentialMovingAverage
from trainer.step.guiding import GuidingNetwork
from trainer.step.loss_by_alpha import LossByAlpha, sum_by_alpha
from trainer.step.replicas import has_several_workers, place_in_batch, share_gradients
from trainer.vector_field import beside, evaluate_network

# Attributes that decide how it is trained, and that may be set between two calls of `fit`.
TRAINED = ("label_dropout", "pair_noise", "seed")


@keras.saving.register_keras_serializable("iadb")
class IADBModel(SamplingModel):
    """Learns to map a density x0 (Gaussian noise by default) to the density of the data x1.

        model = IADBModel(network, rank=4)
        model.compile(optimizer="adam")
        model.fit(dataset, epochs=10)                  # batches of x1, or of pairs (x0, x1)
        x1, trajectory = model.sample_iadb(x0, nb_step=128)
        model.evaluate(held_out)                       # the loss on other images
        model.save("model.keras")                      # read again by keras.saving.load_model

        model = IADBModel(network, rank=4, nb_class=10, guidance=2.0)   # a conditional network
        model.fit(dataset, epochs=10)                  # batches of {"x1": x1, "label": label}
        x1, trajectory = model.sample_iadb(x0, nb_step=128, label=label)

        model = IADBModel(network, rank=4, source_channels=3)   # a network that sees a source
        model.fit(dataset, epochs=10)                  # batches of {"x1": x1, "source": source}
        x1, trajectory = model.sample_iadb(x0, nb_step=128, source=source)

        guide = GuidingNetwork(network, after=500)      # of trainer.step.guiding: as in step 500
        model = IADBModel(network, guide=guide, autoguidance=2.0)

    Args:
        network: any Keras model from [x float [N, ...], alpha float [N]] to a tensor shaped as x.
            A conditional one takes [x, alpha, label int64 [N]] with labels from 0 to nb_class;
            nb_class stands for no label. With source_channels x has so many further channels.
        rank: rank of a batch: 2 for points [N, D], 4 for images [N, H, W, C].
        ema: moving average of the weights; if there is one, it draws the samples.
        solver: a Solver (trainer.ode.solvers.get) or a name in trainer.ode.solvers.SOLVERS.
        seed: seed of noise and alpha. Both depend only on it and on the number of steps, so a
            resumed training continues exactly as an uninterrupted one.
        nb_class: number of classes of a conditional network; 0 if the network takes no label.
        label_dropout: fraction of a batch that is trained without its label.
        guidance: weight of classifier-free guidance in sampling: 1 samples without guidance, 0
            ignores the label. Any value but 1 doubles the network evaluations.
        nb_step: number of solver steps of `predict`, as in the paper.
        source_channels: channels of the source that the network sees beside x; 0: none.
        pair_noise: share of noise that is blended into the x0 of pairs, 0 to 1. In sampling, x0 is
            taken as it is passed.
        guide: keeps the network that draws samples, `ema.network` or `network`, as it is early in
            the training.
        autoguidance: weight of autoguidance in sampling, with a guide: 1 samples without it. Any
            other value doubles the network evaluations.
        autoguidance_interval: of the alphas at which samples have it.

    Raises:
        ValueError: the solver is unknown, or the average is of another network.
    """

    def __init__(
        self,
        network: keras.Model,
        rank: int = 4,
        *,
        ema: ExponentialMovingAverage | None = None,
        solver: str | solvers.Solver = "euler",
        seed: int = 0,
        nb_class: int = 0,
        label_dropout: float = 0.1,
        guidance: float = 1.0,
        nb_step: int = 128,
        source_channels: int = 0,
        pair_noise: float = 0.0,
        guide: GuidingNetwork | None = None,
        autoguidance: float = 1.0,
        autoguidance_interval: Interval = WHOLE,
        **kwargs: object,
    ) -> None:
        if ema and ema.source is not network:
            raise ValueError("the average is of another network: make it of the one that trains")
        average = ema.network if ema else None
        super().__init__(
            network,
            average,
            solver,
            nb_class,
            guidance,
            nb_step,
            source_channels,
            guide,
            autoguidance,
            autoguidance_interval,
            **kwargs,
        )
        self.rank = rank
        self.ema = ema
        self.seed = seed
        self.label_dropout = label_dropout
        self.pair_noise = pair_noise
        # Not the optimizer's iterations, which skip steps whose float16 gradients overflowed.
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

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute. Steps that were traced with another value are traced anew."""
        super().__setattr__(name, value)
        if name in TRAINED and self.built:  # also in the middle of a training, by a callback
            if self.train_function is not None:
                self.make_train_function(force=True)
            if self.test_function is not None:
                self.make_test_function(force=True)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Takes one step on a batch of x1, float32 [N, ...], or of pairs (x0, x1).

        Batches may be dictionaries of `x1`, `label` (int [N], 0 to nb_class; for a conditional
        network), `source` (float32 [N, ..., source_channels]; for a network that sees one), `x0`
        for pairs, `alpha` (float32 [N]; without it, alphas are drawn), and `augmentation` (int [N];
        a code as of trainer/networks/augmentations.py, for a network that reads it from alpha).

        Returns:
            `loss`, float32 [], and `gradient_norm`, float32 [], before clipping, of the global
            batch. The metric `loss_by_alpha` adds up the losses by part of [0, 1].

        Raises:
            ValueError: the batch has no label for a conditional network, or has one for another;
                the same for the source of a network that sees one.
        """
        replicas = tf.distribute.get_replica_context()
        nb_replica = replicas.num_replicas_in_sync
        batch = unpack(data, self.rank, self.nb_class, self.source_channels)
        x0, x1, alpha, label, source, augmentation = batch
        # Each replica draws for the global batch and takes its part, so the numbers do not depend
        # on how many replicas share the work.
        nb_row, part = place_in_batch(tf.shape(x1)[0])
        shape = tf.concat([[nb_row], tf.shape(x1)[1:]], 0)
        noise, drawn_alpha, unlabeled, length = self.draw(shape)
        if alpha is not None and length is not None:
            raise ValueError("this model draws the steps that it learns: leave out alpha")
        alpha = drawn_alpha[part] if alpha is None else alpha
        x0 = noise[part] if x0 is None else blend_noise(x0, noise[part], self.pair_noise)
        inputs = self._blend(x0, x1, alpha, source, augmentation)
        if self.nb_class:
            none = tf.constant(self.nb_class, tf.int64)
            inputs.append(tf.where(unlabeled[part], none, label))
        length = None if length is None else length[part]
        inputs, expected = self._lesson(inputs, x1 - x0, length)

        with tf.GradientTape() as tape:
            squares = self._squares(self.network, inputs, expected, training=True)
            # The share of this replica in the mean over the global batch: 0 if it has no rows.
            count = tf.reduce_prod(tf.cast(shape, tf.float32))
            minimized = tf.reduce_sum(self._weigh(squares)) / count
            # Of regularizers, and of layers that add losses; the loss that is reported has none.
            for added in self.network.losses:
                minimized += tf.cast(added, tf.float32) / nb_replica
            scaled = self.optimizer.scale_loss(minimized)
        weights = self.network.trainable_variables
        found = zip(tape.gradient(scaled, weights), weights, strict=True)
        used = [(g, weight) for g, weight in found if g is not None]
        # The gradients of an embedding are sparse, one row per image: their norm would be wrong.
        dense = [tf.convert_to_tensor(g) for g, _ in used]
        gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, dense)
        gradient_norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        self.optimizer.apply(
            share_gradients(gradients, self.optimizer, nb_replica), [weight for _, weight in used]
        )

        if self.ema:
            batch_size = tf.cast(nb_row, tf.float32)
            images_seen = tf.cast(self.step + 1, tf.float32) * batch_size
            self.ema.update(images_seen=images_seen, batch_size=batch_size)
        self.step.assign_add(1)
        if self.guide:
            self.guide.update(self.step)
        loss = replicas.all_reduce(tf.distribute.ReduceOp.SUM, tf.reduce_sum(squares) / count)
        losses = self._by_image(squares)
        sums, counts = replicas.all_reduce(tf.distribute.ReduceOp.SUM, sum_by_alpha(losses, alpha))
        self.loss_tracker.update_state(loss, sample_weight=tf.cast(nb_row, tf.float32))
        self.gradient_norm_tracker.update_state(gradient_norm)
        self.loss_by_alpha.update_state(sums, counts)
        logs = {"loss": loss, "gradient_norm": gradient_norm}
        if has_several_workers(replicas.strategy):
            # Keras averages the logs of workers over their first axis, which a scalar lacks.
            logs = {name: value[None] for name, value in logs.items()}
        return logs

    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Adds the loss on a batch as in `train_step`, of the network that draws samples.

        Noise and alpha depend on the seed and the images alone, so that the losses of two
        evaluations on the same batches differ by the networks alone.

        Returns:
            `loss`, float32 [], over all images since the metrics were reset, as is
            `loss_by_alpha`.

        Raises:
            ValueError: as in `train_step`.
        """
        replicas = tf.distribute.get_replica_context()
        losses, alpha = self.held_out_losses(data)
        sums, counts = replicas.all_reduce(tf.distribute.ReduceOp.SUM, sum_by_alpha(losses, alpha))
        self.loss_tracker.update_state(
            tf.reduce_sum(sums) / tf.reduce_sum(counts), sample_weight=tf.reduce_sum(counts)
        )
        self.loss_by_alpha.update_state(sums, counts)
        logs = {"loss": self.loss_tracker.result()}
        if has_several_workers(replicas.strategy):
            logs = {name: value[None] for name, value in logs.items()}
        return logs

    def held_out_losses(self, data: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Measures the loss of each image of a batch at one alpha, spread evenly over the batch.

        Returns:
            Losses, float32 [N], and alphas, float32 [N].
        """
        batch = unpack(data, self.rank, self.nb_class, self.source_channels)
        x0, x1, alpha, label, source, augmentation = batch
        drawn = draw_for(x1, self.seed)
        alpha = drawn.alpha if alpha is None else alpha
        x0 = drawn.noise if x0 is None else blend_noise(x0, drawn.noise, self.pair_noise)
        inputs = self._blend(x0, x1, alpha, source, augmentation)
        if self.nb_class:
            inputs.append(label)
        squares = self._squares(self.sampling_network, inputs, x1 - x0)
        return self._by_image(squares), alpha

    def _lesson(
        self, inputs: list[tf.Tensor], difference: tf.Tensor, length: tf.Tensor | None
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """What the network gets and should return; asked for outside of the gradient's tape."""
        return inputs, difference

    def _weigh(self, squares: tf.Tensor) -> tf.Tensor:
        """The errors that are minimized, float32 [N, ...], of the squared ones."""
        return squares

    def _squares(
        self,
        network: keras.Model,
        inputs: list[tf.Tensor],
        expected: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """The squared errors of a network for what it should return, float32 [N, ...]."""
        difference = evaluate_network(network, inputs, training)
        if not difference.shape.is_compatible_with(expected.shape):
            raise ValueError(
                f"the network returns {difference.shape} for x_alpha of {expected.shape}; it must "
                "return the shape of x_alpha"
            )
        return tf.square(difference - expected)

    def _by_image(self, values: tf.Tensor) -> tf.Tensor:
        """The mean of each image, float32 [N], of values, float32 [N, ...]."""
        return tf.reduce_mean(values, axis=list(range(1, self.rank)))

    def _spread(self, values: tf.Tensor) -> tf.Tensor:
        """Values, float32 [N], as they are multiplied with images, float32 [N, 1, ...]."""
        return tf.reshape(values, [-1] + [1] * (self.rank - 1))

    def _blend(
        self,
        x0: tf.Tensor,
        x1: tf.Tensor,
        alpha: tf.Tensor,
        source: tf.Tensor | None,
        augmentation: tf.Tensor | None,
    ) -> list[tf.Tensor]:
        """Returns x_alpha with the source beside it, and alpha, as the network takes them."""
        a = self._spread(alpha)
        x_alpha = beside((1.0 - a) * x0 + a * x1, source)
        if augmentation is not None:
            alpha = augmentations.encode(alpha, augmentation)
        return [x_alpha, alpha]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, under the names that the logs of each step have."""
        return [self.loss_tracker, self.gradient_norm_tracker]

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras averages a batch over replicas, which it cannot for dictionaries, to build the
        # model. Of this one, only the optimizer may not be built; if the first step built it, this
        # would be traced twice. A frozen network can be measured.
        weights = self.network.trainable_variables
        if self.optimizer and not self.optimizer.built and weights:
            with self.distribute_strategy.scope():
                self.optimizer.build(weights)

    def reset_metrics(self) -> None:
        """Forgets all losses, as Keras does at the start of an epoch and of an evaluation."""
        super().reset_metrics()
        self.loss_by_alpha.reset_state()

    def draw(self, shape: tf.Tensor) -> Draws:
        """Draws noise and alphas for the next step, and the labels that it drops."""
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.step)])
        return draw(seed, shape, self.label_dropout)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs, for keras.saving.

        Raises:
            ValueError: the solver has a tableau or grid of the user's own.
        """
        return {
            "name": self.name,
            # By which Keras decides whether the loss is scaled.
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "network": keras.saving.serialize_keras_object(self.network),
            "rank": int(self.rank),
            "ema": self.ema and {"half_life": self.ema.half_life, "warmup": self.ema.warmup},
            "solver": solvers.to_names(self.solver),
            "seed": int(self.seed),
            "nb_class": int(self.nb_class),
            "label_dropout": float(self.label_dropout),
            "guidance": float(self.guidance),
            "nb_step": int(self.nb_step),
            "source_channels": int(self.source_channels),
            "pair_noise": float(self.pair_noise),
            "guide": self.guide and {"after": self.guide.after},
            "autoguidance": float(self.autoguidance),
            "autoguidance_interval": [float(alpha) for alpha in self.autoguidance_interval],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "IADBModel":
        """Builds a model from the result of `get_config`."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects)
        ema = config["ema"] and ExponentialMovingAverage(network, **config["ema"])
        drawing = ema.network if ema else network
        guide = config["guide"] and GuidingNetwork(drawing, **config["guide"])
        solver = solvers.get(**config["solver"])
        return cls(**config | {"network": network, "ema": ema, "guide": guide, "solver": solver})
