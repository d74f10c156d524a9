"""The optimizer Muon, for networks of convolutions.

Muon moves the matrix of a layer by its averaged gradient made orthogonal, so that every direction
that the gradient has is followed alike (Jordan et al., "Muon: An optimizer for hidden layers in
neural networks", 2024; scale of the update: Liu et al., arXiv 2502.16982). The first and the last
layer, embeddings and vectors are left to Adam, as both papers do.
"""

import math
import re
from collections.abc import Sequence

import keras
from keras import ops

# Root mean square of an update, as a share of the learning rate. Of Adam's updates it is about 0.2,
# with which both take the same learning rate; more was better here (docs/training.md).
UPDATE_SIZE = 0.5
# Polynomials that are multiplied at a time. With all of them, the square would not stay positive
# where products are rounded as on the tensor cores of a GPU (TF32), and updates would be wrong.
MULTIPLIED = 2


@keras.saving.register_keras_serializable("iadb")
class ConvolutionalMuon(keras.optimizers.Muon):
    """Keras's Muon, but for kernels of convolutions as well, which Keras leaves to Adam.

    A kernel [height, width, in, out] is taken as a matrix [height * width * in, out].
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

    def _muon_update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        lr: keras.KerasTensor,
        m: keras.Variable,
    ) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        momentum = ops.add(gradient, self.momentum * m) if self.nesterov else m
        # Of some gradients TensorFlow does not know the shape.
        *rows, columns = variable.shape
        matrix = ops.reshape(momentum, (math.prod(rows), columns))
        update = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, ops.reshape(update, variable.shape))

    def zeropower_via_newtonschulz5(self, x: keras.KerasTensor, steps: int) -> keras.KerasTensor:
        """Makes a matrix nearly orthogonal, by polynomials of its smaller square.

        Keras's own computes X <- (a + b X X' + c (X X')^2) X in each step. All of these polynomials
        commute, so that here some are multiplied first: kernels of convolutions are long.
        """
        wide = x.shape[0] <= x.shape[1]
        x = x if wide else ops.transpose(x)
        x = x / (ops.norm(x) + self.epsilon)
        one = ops.eye(x.shape[0], dtype=x.dtype)
        for first in range(0, steps, MULTIPLIED):
            square, product = x @ ops.transpose(x), one
            for _ in range(min(MULTIPLIED, steps - first)):
                factor = self.muon_a * one + self.muon_b * square + self.muon_c * square @ square
                square = factor @ square @ factor
                product = factor @ product
            x = product @ x
        return x if wide else ops.transpose(x)
