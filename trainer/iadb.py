"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)

A conditional network also takes the label, or a class id that stands for no label. Sampling may
then use classifier-free guidance (trainer/guidance.py), d = d_none + guidance (d_label - d_none).
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import keras
import tensorflow as tf

from trainer.guidance import vector_field
from trainer.ode import solvers
from trainer.step.coupling import optimal_transport
from trainer.step.ema import ExponentialMovingAverage
from trainer.step.loss_by_alpha import LossByAlpha, sum_by_alpha
from trainer.step.replicas import has_several_workers, share_gradients

# x1, (x0, x1), or for a conditional network {"x1", "label"} with or without "x0".
Batch = tf.Tensor | tuple[tf.Tensor, tf.Tensor] | dict[str, tf.Tensor]


class IADBModel(keras.Model):
    """Learns to map a density x0 (Gaussian noise by default) to the density of the data x1.

        model = IADBModel(network, rank=4)
        model.compile(optimizer="adam")
        model.fit(dataset, epochs=10)                  # batches of x1, or of pairs (x0, x1)
        x1, trajectory = model.sample_iadb(x0, nb_step=128)

        model = IADBModel(network, rank=4, nb_class=10, guidance=2.0)   # a conditional network
        model.fit(dataset, epochs=10)                  # batches of {"x1": x1, "label": label}
        x1, trajectory = model.sample_iadb(x0, nb_step=128, label=label)

    Args:
        network: any Keras model from [x float [N, ...], alpha float [N]] to a tensor shaped as x.
            A conditional one takes [x, alpha, label int64 [N]] with labels from 0 to nb_class;
            nb_class stands for no label.
        rank: rank of a batch: 2 for points [N, D], 4 for images [N, H, W, C].
        ema: moving average of the weights; if there is one, it draws the samples.
        solver: a Solver (trainer.ode.solvers.get) or a name in trainer.ode.solvers.SOLVERS.
        seed: seed of noise and alpha. Both depend only on it and on the number of steps, so a
            resumed training continues exactly as an uninterrupted one.
        alpha_density: `uniform` as in the paper, or `logit_normal`, which trains more in the middle
            of the path (Esser et al., "Scaling Rectified Flow Transformers", 2024, section 3.1).
        coupling: `independent` as in the paper, or `optimal_transport` (trainer/step/coupling.py),
            which pairs noise and data within a batch; pairs (x0, x1) in the data are kept. It
            ignores labels: a class may be trained on part of the noise but is sampled from all.
        nb_class: number of classes of a conditional network; 0 if the network takes no label.
        label_dropout: fraction of a batch that is trained without its label.
        guidance: weight of classifier-free guidance in sampling: 1 samples without guidance, 0
            ignores the label. Any value but 1 doubles the network evaluations.
    """

    def __init__(
        self,
        network: keras.Model,
        rank: int = 4,
        *,
        ema: ExponentialMovingAverage | None = None,
        solver: str | solvers.Solver = "euler",
        seed: int = 0,
        alpha_density: Literal["uniform", "logit_normal"] = "uniform",
        coupling: Literal["independent", "optimal_transport"] = "independent",
        nb_class: int = 0,
        label_dropout: float = 0.1,
        guidance: float = 1.0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.rank = rank
        self.ema = ema
        self.ema_network = ema.network if ema else None
        self.solver = solvers.get(solver)
        self.seed = seed
        self.alpha_density = alpha_density
        self.coupling = coupling
        self.nb_class = nb_class
        self.label_dropout = label_dropout
        self.guidance = guidance
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
        self.loss_by_alpha_tracker = LossByAlpha()
        self.built = True  # else Keras would call this model symbolically

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Takes one step on a batch of x1, float32 [N, ...], or of pairs (x0, x1).

        A conditional network takes batches as dictionaries of `x1`, `label` (int [N], 0 to
        nb_class) and, for pairs, `x0`.

        Returns:
            `loss`, float32 []; `gradient_norm`, float32 [], before clipping; `loss_by_alpha`,
            float32 [ALPHA_BINS], the mean loss per part of [0, 1] (trainer/step/loss_by_alpha.py).
            All are of the global batch.

        Raises:
            ValueError: the batch has no label for a conditional network, or has one for another.
        """
        replicas = tf.distribute.get_replica_context()
        nb_replica = replicas.num_replicas_in_sync
        x0, x1, label = self._unpack(data)
        nb_row = tf.shape(x1)[0]
        index = tf.cast(replicas.replica_id_in_sync_group, tf.int32)
        part = slice(index * nb_row, (index + 1) * nb_row)
        noise, alpha, unlabeled = self._draw(nb_row * nb_replica, tf.shape(x1)[1:])
        alpha = alpha[part]
        if x0 is None and self.coupling == "optimal_transport":
            noise = optimal_transport(noise, replicas.all_gather(x1, axis=0))
        if x0 is None:
            x0 = noise[part]
        a = tf.reshape(alpha, [-1] + [1] * (self.rank - 1))
        inputs = [(1.0 - a) * x0 + a * x1, alpha]
        if self.nb_class:
            none = tf.constant(self.nb_class, tf.int64)
            inputs.append(tf.where(unlabeled[part], none, tf.cast(label, tf.int64)))

        with tf.GradientTape() as tape:
            difference = self.network(inputs, training=True)
            squares = tf.square(difference - (x1 - x0))
            loss = tf.reduce_mean(squares)
            scaled = self.optimizer.scale_loss(loss / nb_replica)
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
            batch_size = tf.cast(tf.shape(x1)[0] * nb_replica, tf.float32)
            images_seen = tf.cast(self.step + 1, tf.float32) * batch_size
            self.ema.update(images_seen=images_seen, batch_size=batch_size)
        self.step.assign_add(1)
        loss = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, loss)
        losses = tf.reduce_mean(squares, axis=list(range(1, self.rank)))
        sums, counts = replicas.all_reduce(tf.distribute.ReduceOp.SUM, sum_by_alpha(losses, alpha))
        self.loss_tracker.update_state(loss)
        self.gradient_norm_tracker.update_state(gradient_norm)
        self.loss_by_alpha_tracker.update_state(sums, counts)
        logs = {"loss": loss, "gradient_norm": gradient_norm, "loss_by_alpha": sums / counts}
        if has_several_workers(replicas.strategy):
            # Keras averages the logs of workers over their first axis, which a scalar lacks.
            logs = {name: value[None] for name, value in logs.items()}
        return logs

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, under the names that the logs of each step have."""
        return [self.loss_tracker, self.gradient_norm_tracker, self.loss_by_alpha_tracker]

    def _unpack(self, data: Batch) -> tuple[tf.Tensor | None, tf.Tensor, tf.Tensor | None]:
        """Returns x0, x1 and label of a batch; None for what it does not hold."""
        if isinstance(data, dict):
            x0, x1, label = data.get("x0"), data["x1"], data.get("label")
        else:
            x0, x1 = data if isinstance(data, tuple) else (None, data)
            label = None
        if (label is not None) != bool(self.nb_class):
            expected = "dictionaries of x1 and label" if self.nb_class else "x1 or (x0, x1)"
            raise ValueError(f"nb_class={self.nb_class} needs batches of {expected}")
        return x0, x1, label

    def _draw(
        self, count: tf.Tensor, shape: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Draws noise, float32 [count, *shape], and alpha, float32 [count], for this step.

        For a conditional network it also draws which labels are dropped, bool [count], else None.

        Each replica draws for the global batch and takes its part, so the numbers do not depend on
        how many replicas share the work.
        """
        step = tf.convert_to_tensor(self.step)
        seed = tf.stack([tf.constant(self.seed, tf.int64), step])
        seeds = tf.random.split(seed, num=3 if self.nb_class else 2)
        noise = tf.random.stateless_normal(tf.concat([[count], shape], 0), seeds[0])
        if self.alpha_density == "uniform":
            alpha = tf.random.stateless_uniform([count], seeds[1])
        else:
            alpha = tf.sigmoid(tf.random.stateless_normal([count], seeds[1]))
        if not self.nb_class:
            return noise, alpha, None
        return noise, alpha, tf.random.stateless_uniform([count], seeds[2]) < self.label_dropout

    @property
    def sampling_network(self) -> keras.Model:
        """The network that draws samples: the average if there is one."""
        return self.ema_network or self.network

    def sample_iadb(
        self, x0: tf.Tensor, nb_step: int | tf.Tensor, label: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps samples of x0 to samples of x1 (algorithm 4), with one trace for all sizes.

        Args:
            x0: float32 [N, ...].
            nb_step: number of solver steps, at least 1; for an adaptive solver the maximum of
                attempted steps.
            label: int [N], 0 to nb_class, for a conditional network; without it, no label.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.

        Raises:
            ValueError: a label is passed to a network that takes none.
        """
        states = self._call_for_any_size(self._trajectory, x0, nb_step, label, axis=1)
        return states[-1], states

    def transport(
        self, x0: tf.Tensor, nb_step: int | tf.Tensor, label: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the x1 of `sample_iadb` alone; its memory does not grow with nb_step."""
        return self._call_for_any_size(self._transport, x0, nb_step, label, axis=0)

    def _call_for_any_size(
        self,
        function: tf.types.experimental.PolymorphicFunction,
        x0: tf.Tensor,
        nb_step: int | tf.Tensor,
        label: tf.Tensor | None,
        axis: int,
    ) -> tf.Tensor:
        """Calls one trace for any N and nb_step; `axis` is the axis of rows in its result."""
        if label is not None and not self.nb_class:
            raise ValueError("got a label, but the network takes none (nb_class=0)")
        x0, nb_step = tf.convert_to_tensor(x0, tf.float32), tf.cast(nb_step, tf.int32)
        rows, row_specs = [x0], [tf.TensorSpec([None, *x0.shape[1:]])]
        if self.nb_class:
            label = tf.fill(tf.shape(x0)[:1], self.nb_class) if label is None else label
            rows.append(tf.cast(label, tf.int64))
            row_specs.append(tf.TensorSpec([None], tf.int64))
        trace = function.get_concrete_function(tf.TensorSpec([], tf.int32), *row_specs)
        if tf.executing_eagerly() and not tf.config.list_logical_devices("GPU") and len(x0) > 1:
            return _in_halves(functools.partial(trace, nb_step), rows, axis)
        return trace(nb_step, *rows)

    @tf.function
    def _transport(
        self, nb_step: tf.Tensor, x0: tf.Tensor, label: tf.Tensor | None = None
    ) -> tf.Tensor:
        field = vector_field(self.sampling_network, label, self.nb_class, self.guidance)
        return solvers.solve(self.solver, field, x0, nb_step).x

    @tf.function
    def _trajectory(
        self, nb_step: tf.Tensor, x0: tf.Tensor, label: tf.Tensor | None = None
    ) -> tf.Tensor:
        field = vector_field(self.sampling_network, label, self.nb_class, self.guidance)
        return solvers.trajectory(self.solver, field, x0, nb_step)


def _in_halves(
    function: Callable[..., tf.Tensor], rows: Sequence[tf.Tensor], axis: int
) -> tf.Tensor:
    """Calls a function of rows on both halves of a batch at once.

    On a CPU this takes 5 to 20 % less time than one call, whose small operations leave cores idle.
    It uses threads because a graph would hold the network twice.
    """
    half = len(rows[0]) // 2
    parts = [t[:half] for t in rows], [t[half:] for t in rows]
    with ThreadPoolExecutor(len(parts)) as threads:
        return tf.concat(list(threads.map(lambda part: function(*part), parts)), axis)
