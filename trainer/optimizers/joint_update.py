"""Optimizers of Keras that move all variables at once, in fewer operations than one by one."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from trainer.step.replicas import update_together


class Row(NamedTuple):
    """What moves one variable, all of one shape; on several devices, a copy on one of them.

    Attributes:
        gradient: float32.
        variable: float32.
        momentum: average of the gradients.
        velocity: average of their squares, or None if the optimizer has none of this variable.
    """

    gradient: tf.Tensor
    variable: tf.Variable
    momentum: tf.Variable
    velocity: tf.Variable | None


class JointUpdate(keras.optimizers.Optimizer):
    """A base before an optimizer of Keras, for a class that has `_moments` and `_move`."""

    def build(self, var_list: Sequence[keras.Variable]) -> None:
        """Creates the variables of the optimizer.

        Raises:
            ValueError: a variable is not of float32, as those of networks in mixed precision are.
        """
        dtypes = {keras.backend.standardize_dtype(each.dtype) for each in var_list}
        if others := sorted(dtypes - {"float32"}):
            raise ValueError(
                f"{type(self).__name__} moves variables of float32, not of {', '.join(others)}: "
                "use an optimizer of Keras"
            )
        super().build(var_list)

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Refuses, since variables are not moved one by one.

        Raises:
            RuntimeError: always; another version of Keras may call this.
        """
        raise RuntimeError(
            "Keras does not call _distributed_tf_update_step: install its version "
            "of requirements.lock"
        )

    def _distributed_tf_update_step(
        self,
        distribution: tf.distribute.Strategy,
        grads_and_vars: Sequence[tuple[tf.Tensor, tf.Variable]],
        learning_rate: tf.Tensor,
    ) -> None:
        gradients, variables = zip(*grads_and_vars, strict=True)
        places = [self._get_variable_index(variable) for variable in variables]
        momentums, velocities = (
            [_value(kind[place]) for place in places] for kind in self._moments()
        )

        def move(gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
            dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
            rows = zip(dense, variables, momentums, velocities, strict=True)
            self._move([Row(*row) for row in rows], learning_rate)

        update_together(distribution, variables, move, gradients, learning_rate)

    def _moments(self) -> tuple[Sequence[keras.Variable], Sequence[keras.Variable | None]]:
        """Momentums and velocities, one for each variable that the optimizer was built with."""
        raise NotImplementedError

    def _move(self, rows: Sequence[Row], learning_rate: tf.Tensor) -> None:
        """Moves all variables on one device."""
        raise NotImplementedError


def _value(variable: keras.Variable | None) -> tf.Variable | None:
    return None if variable is None else variable.value
