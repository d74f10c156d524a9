"""IADBModel: iterative alpha-(de)blending as a Keras model.

Heitz, Belcour, Chambon, "Iterative alpha-(de)Blending: a Minimalist Deterministic Diffusion Model"
(SIGGRAPH 2023, arXiv 2305.03486). Training is algorithm 3 with the loss of equation 8, sampling is
algorithm 4:

    x_alpha = (1 - alpha) x0 + alpha x1,   alpha ~ U[0, 1]
    loss    = mean |d(x_alpha, alpha) - (x1 - x0)|^2
    dx/dalpha = d(x, alpha),   from alpha = 0 (x0) to alpha = 1 (x1)
"""

import keras
import tensorflow as tf

from trainer import solvers
from trainer.ema import ExponentialMovingAverage


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
        solver: a name of trainer.solvers.SOLVERS.
        seed: of noise and alpha. Both depend on it and on the number of steps alone, so that a
            resumed training goes on as an uninterrupted one would.
    """

    def __init__(
        self,
        network: keras.Model,
        rank: int = 4,
        *,
        ema: ExponentialMovingAverage | None = None,
        solver: str = "euler",
        seed: int = 0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.rank = rank
        self.ema = ema
        self.ema_network = ema.network if ema else None
        self.solver = solvers.SOLVERS[solver]
        self.seed = seed
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
        self.built = True  # the network is; Keras would call this model symbolically otherwise

    def train_step(self, data: tf.Tensor | tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step on a batch of x1, float32 [N, ...], or of pairs (x0, x1)."""
        replicas = tf.distribute.get_replica_context()
        nb_replica = replicas.num_replicas_in_sync
        x0, x1 = data if isinstance(data, tuple) else (None, data)
        noise, alpha = self._draw(tf.shape(x1), replicas)
        x0 = noise if x0 is None else x0
        a = tf.reshape(alpha, [-1] + [1] * (self.rank - 1))
        x_alpha = (1.0 - a) * x0 + a * x1

        with tf.GradientTape() as tape:
            difference = self.network([x_alpha, alpha], training=True)
            loss = tf.reduce_mean(tf.square(difference - (x1 - x0)))
            # Keras sums gradients over replicas.
            scaled = self.optimizer.scale_loss(loss / nb_replica)
        weights = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, weights), weights)

        if self.ema:
            batch_size = tf.cast(tf.shape(x1)[0] * nb_replica, tf.float32)
            images_seen = tf.cast(self.step + 1, tf.float32) * batch_size
            self.ema.update(images_seen=images_seen, batch_size=batch_size)
        self.step.assign_add(1)
        loss = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, loss)
        self.loss_tracker.update_state(loss)
        return {"loss": loss}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean loss of an epoch; callbacks see the loss of each step."""
        return [self.loss_tracker]

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
        alpha = tf.random.stateless_uniform([nb_global], seeds[1])
        return noise[part], alpha[part]

    @property
    def sampling_network(self) -> keras.Model:
        """The network that samples are drawn with: the average if there is one."""
        return self.ema_network or self.network

    @tf.function(reduce_retracing=True)
    def sample_iadb(self, x0: tf.Tensor, nb_step: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Carries samples of x0 to samples of x1 (algorithm 4).

        Args:
            x0: float32 [N, ...].
            nb_step: steps of the solver, at least 1.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.
        """
        states = solvers.trajectory(
            self.solver, vector_field(self.sampling_network), x0, tf.cast(nb_step, tf.int32)
        )
        return states[-1], states


def vector_field(network: keras.Model) -> solvers.VectorField:
    """The network as d(x, alpha) with one alpha, float32 [], for the whole batch."""

    def field(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
        return network([x, tf.fill(tf.shape(x)[:1], alpha)], training=False)

    return field
