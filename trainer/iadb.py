"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)
"""

from typing import Literal

import keras
import tensorflow as tf

from trainer import solvers
from trainer.coupling import optimal_transport
from trainer.ema import ExponentialMovingAverage
from trainer.metrics import LossByAlpha, sum_by_alpha


class IADBModel(keras.Model):
    """Learns to map a density x0 (Gaussian noise by default) to the density of the data x1.

        model = IADBModel(network, rank=4)
        model.compile(optimizer="adam")
        model.fit(dataset, epochs=10)                  # batches of x1, or of pairs (x0, x1)
        x1, trajectory = model.sample_iadb(x0, nb_step=128)

    Args:
        network: any Keras model from [x float [N, ...], alpha float [N]] to a tensor shaped as x.
        rank: of a batch: 2 for points [N, D], 4 for images [N, H, W, C].
        ema: averages the weights during training; samples are then drawn with the average.
        solver: as trainer.solvers.get makes it, or a name of trainer.solvers.SOLVERS.
        seed: of noise and alpha. Both depend on it and on the number of steps alone, so that a
            resumed training goes on as an uninterrupted one would.
        alpha_density: `uniform` as in the paper, or `logit_normal`, which trains more in the middle
            of the path (Esser et al., "Scaling Rectified Flow Transformers", 2024, section 3.1).
        coupling: `independent` as in the paper, or `optimal_transport` (trainer/coupling.py), which
            pairs noise and data within a batch; given pairs (x0, x1) stay as they are.
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

    def train_step(self, data: tf.Tensor | tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step on a batch of x1, float32 [N, ...], or of pairs (x0, x1).

        Returns:
            `loss`, float32 []; `gradient_norm`, float32 [], before clipping; `loss_by_alpha`,
            float32 [ALPHA_BINS], the mean loss by parts of alpha (trainer/metrics.py). All
            are those of the global batch.
        """
        replicas = tf.distribute.get_replica_context()
        nb_replica = replicas.num_replicas_in_sync
        x0, x1 = data if isinstance(data, tuple) else (None, data)
        noise, alpha = self._draw(tf.shape(x1), replicas)
        if x0 is None:
            paired = self.coupling == "optimal_transport"
            x0 = optimal_transport(noise, x1) if paired else noise
        a = tf.reshape(alpha, [-1] + [1] * (self.rank - 1))
        x_alpha = (1.0 - a) * x0 + a * x1

        with tf.GradientTape() as tape:
            difference = self.network([x_alpha, alpha], training=True)
            squares = tf.square(difference - (x1 - x0))
            loss = tf.reduce_mean(squares)
            # Keras sums gradients over replicas.
            scaled = self.optimizer.scale_loss(loss / nb_replica)
        weights = self.network.trainable_variables
        gradients = tape.gradient(scaled, weights)
        # What the optimizer sums over replicas, without the scale that float16 asks for.
        summed = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradient_norm = tf.linalg.global_norm(summed) / self.optimizer.scale_loss(1.0)
        self.optimizer.apply(gradients, weights)

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
        return {"loss": loss, "gradient_norm": gradient_norm, "loss_by_alpha": sums / counts}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch, under the names that callbacks see the numbers of each step by."""
        return [self.loss_tracker, self.gradient_norm_tracker, self.loss_by_alpha_tracker]

    def _draw(
        self, shape: tf.Tensor, replicas: tf.distribute.ReplicaContext
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Noise, float32 of the given shape, and alpha, float32 [N], for this step and replica.

        Each replica draws for the global batch and takes its part: the numbers do not depend on
        how many replicas share the work.
        """
        nb_local = shape[0]
        nb_global = nb_local * replicas.num_replicas_in_sync
        index = tf.cast(replicas.replica_id_in_sync_group, tf.int32)
        part = slice(index * nb_local, (index + 1) * nb_local)
        step = tf.convert_to_tensor(self.step)
        seeds = tf.random.split(tf.stack([tf.constant(self.seed, tf.int64), step]), num=2)
        noise = tf.random.stateless_normal(tf.concat([[nb_global], shape[1:]], 0), seeds[0])
        if self.alpha_density == "uniform":
            alpha = tf.random.stateless_uniform([nb_global], seeds[1])
        else:
            alpha = tf.sigmoid(tf.random.stateless_normal([nb_global], seeds[1]))
        return noise[part], alpha[part]

    @property
    def sampling_network(self) -> keras.Model:
        """The network that samples are drawn with: the average if there is one."""
        return self.ema_network or self.network

    def sample_iadb(self, x0: tf.Tensor, nb_step: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Carries samples of x0 to samples of x1 (algorithm 4), compiled once for all sizes.

        Args:
            x0: float32 [N, ...].
            nb_step: steps of the solver, at least 1; for an adaptive one, the most it may try.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.
        """
        x0 = tf.convert_to_tensor(x0, tf.float32)
        trajectory = self._trajectory.get_concrete_function(
            tf.TensorSpec([None, *x0.shape[1:]], tf.float32), tf.TensorSpec([], tf.int32)
        )
        states = trajectory(x0, tf.cast(nb_step, tf.int32))
        return states[-1], states

    def transport(self, x0: tf.Tensor, nb_step: int | tf.Tensor) -> tf.Tensor:
        """As `sample_iadb`, without the trajectory: memory does not grow with nb_step."""
        x0 = tf.convert_to_tensor(x0, tf.float32)
        transport = self._transport.get_concrete_function(
            tf.TensorSpec([None, *x0.shape[1:]], tf.float32), tf.TensorSpec([], tf.int32)
        )
        return transport(x0, tf.cast(nb_step, tf.int32))

    @tf.function
    def _transport(self, x0: tf.Tensor, nb_step: tf.Tensor) -> tf.Tensor:
        return solvers.solve(self.solver, vector_field(self.sampling_network), x0, nb_step).x

    @tf.function
    def _trajectory(self, x0: tf.Tensor, nb_step: tf.Tensor) -> tf.Tensor:
        field = vector_field(self.sampling_network)
        return solvers.trajectory(self.solver, field, x0, nb_step)


def vector_field(network: keras.Model) -> solvers.VectorField:
    """The network as d(x, alpha), with an alpha of its own for each row."""
    return lambda x, alpha: network([x, alpha], training=False)
