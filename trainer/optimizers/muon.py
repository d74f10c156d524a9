"""The optimizer Muon, for networks of convolutions.

Muon moves the matrix of a layer by its averaged gradient made orthogonal, so that every direction
that the gradient has is followed alike (Jordan et al., "Muon: An optimizer for hidden layers in
neural networks", 2024; scale of the update: Liu et al., arXiv 2502.16982). The first and the last
layer, embeddings and vectors are left to Adam, as both papers do, and what scales and shifts by
alpha.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence

import keras
import tensorflow as tf

from trainer.optimizers.adam import update_by_adam
from trainer.optimizers.joint_update import JointUpdate, Row

# Root mean square of an update, as a share of the learning rate. Of Adam's updates it is about 0.2,
# with which both take the same rate; more was better here (benchmarks/notes/training.md).
UPDATE_SIZE = 0.5
# Polynomials that are multiplied at a time. With all of them, the square would not stay positive
# where products are rounded as on the tensor cores of a GPU (TF32), and updates would be wrong.
MULTIPLIED = 2
# Weights of kernels of one shape that are moved together, at most, so that their copies stay small.
GROUPED = 2**22


@keras.saving.register_keras_serializable("iadb")
class ConvolutionalMuon(JointUpdate, keras.optimizers.Muon):
    """Keras's Muon, but for kernels of convolutions as well, which Keras leaves to Adam.

    Variables must be of float32. A kernel [height, width, in, out] is taken as a matrix
    [height * width * in, out].
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        exclude_layers: Sequence[str] = (),
        rms_rate: float = UPDATE_SIZE,
        weight_decay: float | None = None,
        adam_weight_decay: float | None = None,
        **kwargs: object,
    ) -> None:
        """Sets what this differs in; the rest is Keras's.

        Args:
            learning_rate: of Muon and Adam.
            exclude_layers: regular expressions for the paths of variables that are left to Adam.
            rms_rate: root mean square of an update of a matrix, as a share of the learning rate.
            weight_decay: of the matrices.
            adam_weight_decay: of the rest.
            **kwargs: those of `keras.optimizers.Muon`.
        """
        super().__init__(
            learning_rate=learning_rate,
            exclude_layers=list(exclude_layers),
            rms_rate=rms_rate,
            weight_decay=weight_decay,
            adam_weight_decay=adam_weight_decay,
            **kwargs,
        )

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        if len(variable.shape) != 4:
            return super()._should_use_adamw(variable)
        return any(re.search(layer, variable.path) for layer in self.exclude_layers)

    def orthogonalize(self, x: tf.Tensor) -> tf.Tensor:
        """Makes matrices [N, rows, columns] nearly orthogonal, by polynomials of their squares.

        Keras's own computes X <- (a + b X X' + c (X X')^2) X in each step. All of these polynomials
        commute, so that here some are multiplied first: kernels of convolutions are long. Of X X'
        and X' X, the square is the smaller one.
        """
        wide = x.shape[1] <= x.shape[2]
        x /= tf.norm(x, axis=[1, 2], keepdims=True) + self.epsilon
        for first in range(0, self.ns_steps, MULTIPLIED):
            square = _multiply(x, x, transpose_a=not wide, transpose_b=wide)
            product = factor = self._factor(square)
            for _ in range(first + 1, min(first + MULTIPLIED, self.ns_steps)):
                square = factor @ square @ factor
                factor = self._factor(square)
                product = factor @ product
            x = _multiply(product, x) if wide else _multiply(x, product)
        return x

    def _moments(self) -> tuple[list[keras.Variable], list[keras.Variable | None]]:
        return self.momentums, self.adam_velocities

    def _move(self, rows: Sequence[Row], learning_rate: tf.Tensor) -> None:
        """Moves variables with a velocity by Adam, the others, the kernels, shape by shape."""
        if by_adam := [row for row in rows if row.velocity is not None]:
            update_by_adam(
                by_adam,
                learning_rate=learning_rate * self.adam_lr_ratio,
                step=self.iterations + 1,
                betas=(self.adam_beta_1, self.adam_beta_2),
                epsilon=self.epsilon,
            )
        by_shape = defaultdict(list)
        for row in rows:
            if row.velocity is None:
                by_shape[tuple(row.variable.shape)].append(row)
        for shape, kernels in by_shape.items():
            count = max(1, GROUPED // math.prod(shape))
            for first in range(0, len(kernels), count):
                self._move_kernels(kernels[first : first + count], learning_rate)

    def _move_kernels(self, rows: Sequence[Row], learning_rate: tf.Tensor) -> None:
        """Moves variables of one shape."""
        gradients, variables, momentums, _ = zip(*rows, strict=True)
        *sides, columns = variables[0].shape
        matrices = [len(variables), math.prod(sides), columns]
        gradient = tf.reshape(tf.stack(gradients), matrices)  # some come without their shape
        earlier = tf.reshape(tf.stack([each.read_value() for each in momentums]), matrices)
        average = self.momentum * earlier + gradient
        direction = gradient + self.momentum * average if self.nesterov else average
        # As Keras's lr_adjust, for several matrices.
        size = 1.0 if self.rms_rate is None else self.rms_rate * math.sqrt(max(matrices[1:]))
        step = size * learning_rate * self.orthogonalize(direction)
        kernels = [len(variables), *sides, columns]
        steps, averages = (tf.unstack(tf.reshape(each, kernels)) for each in (step, average))
        for variable, momentum, by, new in zip(variables, momentums, steps, averages, strict=True):
            variable.assign_sub(by, read_value=False)
            momentum.assign(new, read_value=False)

    def _factor(self, square: tf.Tensor) -> tf.Tensor:
        one = tf.eye(square.shape[-1], dtype=square.dtype)
        return self.muon_a * one + self.muon_b * square + self.muon_c * (square @ square)


def _multiply(a: tf.Tensor, b: tf.Tensor, **transposed: bool) -> tf.Tensor:
    """Products of large matrices, one by one: in batches, they take longer on a CPU."""
    pairs = zip(tf.unstack(a), tf.unstack(b), strict=True)
    return tf.stack([tf.linalg.matmul(*pair, **transposed) for pair in pairs])
