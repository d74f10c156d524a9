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
from trainer.ode import methods, solvers
from trainer.ode.field import GuidedField, evaluate_network
from trainer.rows import per_row
from trainer.step.batches import Batch, Lesson, Unpacked, unpack
from trainer.step.loss import SquaredError, mean_by_image
from trainer.step.path import Draws, draw_for

LOGIT_MEAN = 0.4  # of the alphas between which a step leads, as of the paper, whose time runs back
LOGIT_DEVIATION = 1.3  # of these; 1 in the paper
TO_IMAGE = 1 / 4  # of `to_image`, without guidance
FIRST = 1 / 4  # share of a step in which the teacher leads
LEAST_FIRST = 1 / 8  # length in which it leads at least, or to the end of a shorter step
LEAST_ERROR = 0.01  # added to an error before images are weighted by its inverse
CHECKED = methods.get("midpoint")
CHECK_STEPS = 4  # of the teacher for one of the student, where these are compared


class RelativeError(SquaredError):
    """The paper's, but for the constant: errors of long steps are larger and hid the others."""

    def weighted(self, squares: tf.Tensor) -> tf.Tensor:
        """Squared errors, float32 [N, ...], over about the mean of their image."""
        weight = tf.stop_gradient(1.0 / (mean_by_image(squares) + LEAST_ERROR))
        return squares * per_row(weight, squares)


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
        teacher: GuidedField,
        alphas: Sequence[float],
        to_image: float = TO_IMAGE,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, **kwargs)
        self.to_image = to_image
        self.alphas = tuple(alphas)
        self.error = RelativeError()
        self._teacher = teacher
        self._of_grid = take_steps(super().sampling_network, alphas)

    @property
    def sampling_network(self) -> keras.Model:
        """The network that draws samples, which takes the steps of the grid and no others."""
        return self._of_grid

    def draw(self, shape: tf.Tensor) -> Draws:
        """Draws noise, the labels that are dropped, and steps by where they begin and how long."""
        seed = [tf.constant(self.training.seed, tf.int64), tf.convert_to_tensor(self.step)]
        seed = tf.random.fold_in(tf.stack(seed), 1)  # apart from noise and labels
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
        batch = unpack(data, self.rank, self.nb_class)
        drawn, grid = draw_for(batch.x1, self.training.seed), tf.constant(self.alphas)
        last = len(self.alphas) - 2
        step = tf.minimum(tf.cast(drawn.alpha * (last + 1), tf.int32), last)
        alpha, length = tf.gather(grid, step), tf.gather(grid[1:] - grid[:-1], step)
        inputs = super().lesson(batch._replace(alpha=alpha), drawn).inputs
        x, _, *label = inputs
        far, slope = per_row(length, x), self._teacher(*label)

        def path(state: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
            return far * slope(state, alpha + share * length)

        end = solvers.solve(CHECKED, path, x, tf.constant(CHECK_STEPS))
        found = evaluate_network(self.sampling_network, inputs)
        return mean_by_image(self.error(found, (end - x) / far)), alpha

    def get_config(self) -> dict[str, Any]:
        """Refuses: Keras cannot save the teacher.

        Raises:
            ValueError: always.
        """
        raise ValueError("Keras cannot save a student: export it (trainer/serving/sampler.py)")

    def lesson(self, batch: Unpacked, drawn: Draws) -> Lesson:
        """The mean slopes of the steps that were drawn: the teacher's first, then the student's.

        Raises:
            ValueError: the batch has alphas.
        """
        if batch.alpha is not None:
            raise ValueError("this model draws the steps that it learns: leave out alpha")
        (x, alpha, *label), _, begin = super().lesson(batch, drawn)
        length = drawn.length
        first = tf.maximum(FIRST * length, tf.minimum(LEAST_FIRST, length))
        far, of_teacher = per_row(first, x), self._teacher(*label)
        slope = of_teacher(x, alpha)  # and by a midpoint step:
        slope = of_teacher(x + far / 2 * slope, alpha + first / 2)
        there = beside_length(x + far * slope, length - first)
        rest = evaluate_network(self.network, [there, alpha + first, *label])
        share = per_row(tf.math.divide_no_nan(first, length), x)
        mean = share * slope + (1 - share) * rest
        return Lesson([beside_length(x, length), alpha, *label], mean, begin)
