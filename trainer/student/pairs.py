"""Pairs that a student learns from: the noise of a seed, and what its teacher made of it."""

from dataclasses import dataclass

import tensorflow as tf

from trainer import examples
from trainer.light.mark import Mark
from trainer.ode.noise import noise_from_seeds
from trainer.ode.step_grids import step_ends


@dataclass(frozen=True)
class Pairs:
    """What a student learns of its teacher's paths from noise to images.

    Attributes:
        alphas: from 0 to 1, between the segments that the path is divided into. The student learns
            to cross each in one step, from its start alone. Empty: it learns the straight path from
            the noise to the image, at every alpha.
    """

    alphas: tuple[float, ...] = ()

    @classmethod
    def of_steps(cls, nb_step: int, grid: str) -> "Pairs":
        """Pairs for a student of so many steps, on one of GRIDS."""
        return cls(step_ends(nb_step, grid))

    @property
    def fixed_steps(self) -> bool:
        """Whether the student knows no alphas but those at which its own steps begin."""
        return bool(self.alphas)

    @property
    def segments(self) -> int:
        """How many segments a path has."""
        return max(1, len(self.alphas) - 1)


def draw_segments(seed: tf.Tensor, count: int, segments: int) -> tf.Tensor:
    """Draws the segment that each image of a batch is trained on.

    Args:
        seed: int64 [2], of the training and of the step.
        count: images.
        segments: of a path.

    Returns:
        int64 [count], 0 to segments - 1.
    """
    return tf.random.stateless_uniform([count], seed, 0, segments, tf.int64)


def read_pairs(
    serialized: tf.Tensor,
    x1: tf.Tensor,
    pairs: Pairs,
    mark: Mark | None,
    segment: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Reads a batch of pairs, which Transform's graph knows only the images of.

    Args:
        serialized: examples as PairGen writes them, string [N].
        x1: their images, float32 [N, H, W, C].
        pairs: what the student learns.
        mark: that is set in the noise.
        segment: int64 [N], as `draw_segments` returns it; None: one after the other.

    Returns:
        `x0` and `x1`, float32 [N, H, W, C]; with segments also `alpha`, float32 [N], at which the
        images are trained on. Then x0 and x1 are where the straight line through the ends of the
        segment is at alpha = 0 and 1.
    """
    spec = {examples.SEED: tf.io.FixedLenFeature([], tf.int64)}
    if pairs.segments > 1:
        spec[examples.STATES] = tf.io.FixedLenFeature([], tf.string)
    found = tf.io.parse_example(serialized, spec)
    shape = tuple(x1.shape[1:])
    noise = noise_from_seeds(found[examples.SEED], shape, mark)
    if not pairs.fixed_steps:
        return {"x0": noise, "x1": x1}
    states = [noise[:, tf.newaxis], x1[:, tf.newaxis]]
    if pairs.segments > 1:
        between = tf.io.decode_raw(found[examples.STATES], tf.float16, little_endian=True)
        between = tf.reshape(between, [-1, pairs.segments - 1, *shape])
        states.insert(1, tf.cast(between, tf.float32))
    path = tf.concat(states, 1)
    if segment is None:
        segment = tf.range(tf.shape(x1, tf.int64)[0]) % pairs.segments
    start, end = (tf.gather(path, segment + i, batch_dims=1) for i in (0, 1))
    alpha, alpha_at_end = (tf.gather(tf.constant(pairs.alphas), segment + i) for i in (0, 1))
    here, there = (tf.reshape(a, [-1, 1, 1, 1]) for a in (alpha, alpha_at_end))
    difference = (end - start) / (there - here)
    x0 = start - here * difference
    return {"x0": x0, "x1": x0 + difference, "alpha": alpha}
