"""A student that learns how far its teacher goes in a step of any length, without any pairs.

Where the network of the teacher returns the slope d(x, alpha) of its path, that of the student
returns the mean slope u(x, alpha, length) from alpha to alpha + length. One step then ends where
the teacher ends after many. Wherever the way is divided, with y the teacher's state at alpha + h:

    length u(x, alpha, length) = (y - x) + (length - h) u(y, alpha + h, length - h)

As h goes to 0, this becomes the identity of Geng et al., "Mean Flows for One-step Generative
Modeling" (2025, arXiv 2505.13447, equation 6), which needs derivatives in forward mode. Here h is
a quarter of the length, but at least 1/8, or all of a shorter step: the network is evaluated once
more instead, and less of what it learns is its own error.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.iadb import IADBModel
from trainer.networks.step_length import beside_length, take_steps
from trainer.ode import solvers
from trainer.ode.sampling import SamplingModel
from trainer.step.batches import Batch, unpack
from trainer.step.draws import Draws, draw_for
from trainer.vector_field import evaluate_network

LOGIT_MEAN = 0.4  # of the alphas between which a step leads, as of the paper, whose time runs back
LOGIT_DEVIATION = 1.3  # of these; 1 in the paper
TO_IMAGE = 1 / 4  # of `to_image`, without guidance
FIRST = 1 / 4  # share of a step in which the teacher leads
LEAST_FIRST = 1 / 8  # length in which it leads at least, or to the end of a shorter step
LEAST_ERROR = 0.01  # added to an error before images are weighted by its inverse
CHECKED = solvers.get("midpoint")
CHECK_STEPS = 4  # of the teacher for one of the student, where these are compared


class MeanFlowModel(IADBModel):
    """Learns mean slopes over steps of all lengths; draws by those of a grid.

    Args:
        network: takes [x, alpha], or [x, alpha, label], with the length of a step as a further
            channel of x (trainer/networks/step_length.py).
        teacher: whose slopes, with its guidance, the student learns from.
        alphas: of the grid, from 0 to 1.
        to_image: share of the lessons that lead all the way to the image, as each last step does.
        kwargs: those of IADBModel.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        teacher: SamplingModel,
        alphas: Sequence[float],
        to_image: float = TO_IMAGE,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, **kwargs)
        self.to_image = to_image
        self.alphas = tuple(alphas)
        # A function, or the weights of the teacher would be among those of this model.
        self._slope = lambda x, alpha, *label: teacher.field(*label)(x, alpha)
        self._of_grid = take_steps(super().sampling_network, alphas)

    @property
    def sampling_network(self) -> keras.Model:
        """The network that draws samples, which takes the steps of the grid and no others."""
        return self._of_grid

    def draw(self, shape: tf.Tensor) -> Draws:
        """Draws noise, the labels that are dropped, and steps by where they begin and how long."""
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self.step)])
        seed = tf.random.fold_in(seed, 1)  # apart from noise and labels
        for_ends, for_last = tf.unstack(tf.random.split(seed))
        logits = tf.random.stateless_normal([2, shape[0]], for_ends, LOGIT_MEAN, LOGIT_DEVIATION)
        ends = tf.sigmoid(logits)
        begin = tf.reduce_min(ends, axis=0)
        is_last = tf.random.stateless_uniform(shape[:1], for_last) < self.to_image
        end = tf.where(is_last, 1.0, tf.reduce_max(ends, axis=0))
        return super().draw(shape)._replace(alpha=begin, length=end - begin)

    def held_out_losses(self, data: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Compares the student's steps with its teacher's, from states of the images of a batch.

        Returns:
            Mean squares of the difference between both slopes, float32 [N], and the alphas where
            the steps begin, float32 [N].
        """
        _, x1, _, label, _, _ = unpack(data, self.rank, self.nb_class)
        drawn, grid = draw_for(x1, self.seed), tf.constant(self.alphas)
        last = len(self.alphas) - 2
        step = tf.minimum(tf.cast(drawn.alpha * (last + 1), tf.int32), last)
        alpha, length = tf.gather(grid, step), tf.gather(grid[1:] - grid[:-1], step)
        inputs = self._blend(drawn.noise, x1, alpha, None, None)
        if self.nb_class:
            inputs.append(label)
        begin, far = inputs[0], self._spread(length)

        def path(state: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
            return far * self._slope(state, alpha + share * length, *inputs[2:])

        end = solvers.solve(CHECKED, path, begin, tf.constant(CHECK_STEPS))
        squares = self._squares(self.sampling_network, inputs, (end - begin) / far)
        return self._by_image(squares), alpha

    def get_config(self) -> dict[str, Any]:
        """Refuses: Keras cannot save the teacher.

        Raises:
            ValueError: always.
        """
        raise ValueError("Keras cannot save a student: export it (trainer/serving/export.py)")

    def _lesson(
        self, inputs: list[tf.Tensor], difference: tf.Tensor, length: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The mean slopes of the steps that were drawn: the teacher's first, then the student's."""
        x, alpha, *label = inputs
        first = tf.maximum(FIRST * length, tf.minimum(LEAST_FIRST, length))
        far = self._spread(first)
        slope = self._slope(x, alpha, *label)  # and by a midpoint step:
        slope = self._slope(x + far / 2 * slope, alpha + first / 2, *label)
        there = beside_length(x + far * slope, length - first)
        rest = evaluate_network(self.network, [there, alpha + first, *label])
        share = self._spread(tf.math.divide_no_nan(first, length))
        mean = share * slope + (1 - share) * rest
        return [beside_length(x, length), alpha, *label], mean

    def _weigh(self, squares: tf.Tensor) -> tf.Tensor:
        # The paper's, but for the constant: errors of long steps are larger and hid the others.
        weight = tf.stop_gradient(1.0 / (self._by_image(squares) + LEAST_ERROR))
        return squares * self._spread(weight)
