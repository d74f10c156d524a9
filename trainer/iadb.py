"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)

A conditional network is told the label as well, or that there is none. Classifier-free guidance (Ho
and Salimans, arXiv 2207.12598) then goes from what it says without a label towards, or past, what
it says with one: d = d_none + guidance (d_label - d_none).
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import keras
import tensorflow as tf

from trainer.fit.workers import has_several_workers
from trainer.ode import solvers
from trainer.step.coupling import optimal_transport
from trainer.step.ema import ExponentialMovingAverage
from trainer.step.loss_by_alpha import LossByAlpha, sum_by_alpha


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
            A conditional one takes [x, alpha, label int64 [N]], labels 0 to nb_class, the last of
            which stands for none.
        rank: of a batch: 2 for points [N, D], 4 for images [N, H, W, C].
        ema: averages the weights during training; samples are then drawn with the average.
        solver: as trainer.ode.solvers.get makes it, or a name of trainer.ode.solvers.SOLVERS.
        seed: of noise and alpha. Both depend on it and on the number of steps alone, so that a
            resumed training goes on as an uninterrupted one would.
        alpha_density: `uniform` as in the paper, or `logit_normal`, which trains more in the middle
            of the path (Esser et al., "Scaling Rectified Flow Transformers", 2024, section 3.1).
        coupling: `independent` as in the paper, or `optimal_transport` (trainer/step/coupling.py), which
            pairs noise and data within a batch; given pairs (x0, x1) stay as they are. It knows no
            labels: a class may then be trained on a part of the noise, and is sampled from all.
        nb_class: classes that the network is conditioned on; 0: it takes no label.
        label_dropout: fraction of a batch that is trained on without its label.
        guidance: weight of classifier-free guidance in sampling. 1: none; 0: no label is heard. Any
            but 1 costs two network evaluations for one.
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
        # Not the optimizer's iterations: those leave out steps whose float16 gradients overflowed.
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
        self.built = True  # the network is; Keras would call this model symbolically otherwise

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As Keras does; the optimizer then takes gradients that are summed over replicas.

        Keras would clip those of each replica and sum them afterwards: the weights would depend on
        the number of replicas.
        """
        super().compile(*args, **kwargs)
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if not hasattr(optimizer, "_all_reduce_sum_gradients"):  # then they would be summed twice
            raise RuntimeError("this version of Keras sums gradients in a way unknown here")
        optimizer._all_reduce_sum_gradients = list  # of (gradient, weight), as they are

    def train_step(
        self, data: tf.Tensor | tuple[tf.Tensor, tf.Tensor] | dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """One step on a batch of x1, float32 [N, ...], or of pairs (x0, x1).

        Of a conditional network batches are dictionaries of `x1`, `label`, int [N], 0 to nb_class,
        and `x0` where there are pairs.

        Returns:
            `loss`, float32 []; `gradient_norm`, float32 [], before clipping; `loss_by_alpha`,
            float32 [ALPHA_BINS], the mean loss by parts of alpha (trainer/step/loss_by_alpha.py). All
            are those of the global batch.

        Raises:
            ValueError: a conditional network gets no label, or another one does.
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
        # An embedding's are sparse, a row for each image: their norm would not be the gradient's.
        dense = [tf.convert_to_tensor(g) for g, _ in used]
        gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, dense)
        # Without the scale that float16 asks for.
        gradient_norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        self.optimizer.apply(gradients, [weight for _, weight in used])

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
            # Keras averages them over workers and over a first axis, which it takes for granted.
            logs = {name: value[None] for name, value in logs.items()}
        return logs

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, under the names that callbacks see the numbers of each step by."""
        return [self.loss_tracker, self.gradient_norm_tracker, self.loss_by_alpha_tracker]

    def _unpack(
        self, data: tf.Tensor | tuple[tf.Tensor, tf.Tensor] | dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor | None, tf.Tensor, tf.Tensor | None]:
        """x0, x1 and label of a batch; None for what it does not hold."""
        if isinstance(data, dict):
            x0, x1, label = data.get("x0"), data["x1"], data.get("label")
        else:
            x0, x1 = data if isinstance(data, tuple) else (None, data)
            label = None
        if (label is not None) != bool(self.nb_class):
            asked = "dictionaries of x1 and label" if self.nb_class else "x1 or (x0, x1)"
            raise ValueError(f"batches of {asked} are needed where nb_class={self.nb_class}")
        return x0, x1, label

    def _draw(
        self, count: tf.Tensor, shape: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Noise, float32 [count, *shape], and alpha, float32 [count], for this step.

        For a conditional network also whose label is left out, bool [count], else None.

        Each replica draws for the global batch and takes its part: the numbers do not depend on
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
        """The network that samples are drawn with: the average if there is one."""
        return self.ema_network or self.network

    def sample_iadb(
        self, x0: tf.Tensor, nb_step: int | tf.Tensor, label: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Carries samples of x0 to samples of x1 (algorithm 4), compiled once for all sizes.

        Args:
            x0: float32 [N, ...].
            nb_step: steps of the solver, at least 1; for an adaptive one, the most it may try.
            label: int [N], 0 to nb_class, of a conditional network; without it, no label.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.

        Raises:
            ValueError: a label is given, and the network takes none.
        """
        states = self._call_for_any_size(self._trajectory, x0, nb_step, label, axis=1)
        return states[-1], states

    def transport(
        self, x0: tf.Tensor, nb_step: int | tf.Tensor, label: tf.Tensor | None = None
    ) -> tf.Tensor:
        """As `sample_iadb`, without the trajectory: memory does not grow with nb_step."""
        return self._call_for_any_size(self._transport, x0, nb_step, label, axis=0)

    def _call_for_any_size(
        self,
        function: tf.types.experimental.PolymorphicFunction,
        x0: tf.Tensor,
        nb_step: int | tf.Tensor,
        label: tf.Tensor | None,
        axis: int,
    ) -> tf.Tensor:
        """Calls a trace that serves any N and nb_step; the rows of its result lie along an axis."""
        if label is not None and not self.nb_class:
            raise ValueError("a label is given, and the network takes none: nb_class=0")
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

    On a CPU that takes 5 to 20 % less time than all rows in one call, whose small operations leave
    cores idle. Threads do so, for a graph would hold the network twice.
    """
    half = len(rows[0]) // 2
    parts = [t[:half] for t in rows], [t[half:] for t in rows]
    with ThreadPoolExecutor(len(parts)) as threads:
        return tf.concat(list(threads.map(lambda part: function(*part), parts)), axis)


def vector_field(
    network: keras.Model,
    label: tf.Tensor | None = None,
    nb_class: int = 0,
    guidance: float = 1.0,
) -> solvers.VectorField:
    """The network as d(x, alpha), with an alpha, and a label, of its own for each row.

    Args:
        network: from [x, alpha], or with a label from [x, alpha, label], to the difference.
        label: int64 [N], 0 to nb_class, which stands for none.
        nb_class: classes of the network.
        guidance: weight of classifier-free guidance.
    """
    if label is None:
        return lambda x, alpha: network([x, alpha], training=False)
    if evaluations_per_slope(guidance) == 1:
        return lambda x, alpha: network([x, alpha, label], training=False)
    labels = tf.concat([label, tf.fill(tf.shape(label), tf.constant(nb_class, tf.int64))], 0)

    def field(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
        twice = [tf.concat([x, x], 0), tf.concat([alpha, alpha], 0), labels]
        with_label, without = tf.split(network(twice, training=False), 2)
        return without + guidance * (with_label - without)

    return field


def evaluations_per_slope(guidance: float) -> int:
    """Network evaluations that a field costs where a solver counts one: with guidance, two."""
    return 1 if guidance == 1.0 else 2
