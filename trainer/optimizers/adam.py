"""Adam with one operation for each variable, where Keras has fifteen.

A step of training consists of thousands of small operations. Tracing and optimizing them takes up
most of the time until a training starts.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from trainer.optimizers.joint_update import JointUpdate, Row


@keras.saving.register_keras_serializable("iadb")
class FusedAdam(JointUpdate, keras.optimizers.Adam):
    """Keras's Adam without its amsgrad, for variables of float32."""

    def _moments(self) -> tuple[list[keras.Variable], list[keras.Variable]]:
        return self._momentums, self._velocities

    def _move(self, rows: Sequence[Row], learning_rate: tf.Tensor) -> None:
        update_by_adam(
            rows,
            learning_rate=learning_rate,
            step=self.iterations + 1,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )


def update_by_adam(
    rows: Sequence[Row],
    *,
    learning_rate: tf.Tensor,
    step: tf.Tensor,
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """Moves variables, and their averages, as Kingma and Ba (arXiv 1412.6980), section 2, end.

    With several replicas, it is to be called in `tf.distribute.Strategy.extended.update`.

    Args:
        rows: with velocities.
        learning_rate: float [].
        step: int [], counted from 1.
        betas: decays of momentums and velocities.
        epsilon: is added to the root of a velocity.
    """
    powers = [tf.pow(beta, tf.cast(step, tf.float32)) for beta in betas]
    scalars = [tf.cast(scalar, tf.float32) for scalar in (learning_rate, *betas, *powers, epsilon)]
    rate, beta_1, beta_2, power_1, power_2, added = scalars
    for gradient, variable, momentum, velocity in rows:
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=power_1,
            beta2_power=power_2,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=added,
            grad=gradient,
        )
