import numpy as np
import pytest
import tensorflow as tf

from trainer import examples
from trainer.ode import solvers
from trainer.ode.noise import noise_from_seeds
from trainer.student.pairs import Pairs, draw_segments, read_pairs

SHAPE = (1, 2, 1)
ALPHAS = (0.0, 0.25, 1.0)


def serialize(seed, states):
    features = tf.train.Features()
    features.feature[examples.SEED].int64_list.value.append(seed)
    if len(states):
        content = np.asarray(states, "<f2").tobytes()
        features.feature[examples.STATES].bytes_list.value.append(content)
    return tf.train.Example(features=features).SerializeToString()


def read(pairs, segment=None, count=4):
    """Pairs whose state between two segments is 2 and whose image is 5."""
    states = np.full((pairs.segments - 1, *SHAPE), 2.0)
    serialized = tf.constant([serialize(seed, states) for seed in range(count)])
    batch = read_pairs(serialized, tf.fill([count, *SHAPE], 5.0), pairs, None, segment)
    return batch, noise_from_seeds(tf.range(count, dtype=tf.int64), SHAPE).numpy()


def at(batch, alpha):
    return (1 - alpha) * batch["x0"] + alpha * batch["x1"]


def test_the_line_of_a_segment_goes_through_both_of_its_ends():
    first, noise = read(Pairs(ALPHAS), tf.zeros(4, tf.int64))
    np.testing.assert_array_equal(first["alpha"], np.zeros(4))
    np.testing.assert_allclose(at(first, 0.0), noise, atol=1e-6)
    np.testing.assert_allclose(at(first, 0.25), np.full((4, *SHAPE), 2.0), atol=1e-5)
    second, _ = read(Pairs(ALPHAS), tf.ones(4, tf.int64))
    np.testing.assert_array_equal(second["alpha"], np.full(4, 0.25))
    np.testing.assert_allclose(at(second, 0.25), np.full((4, *SHAPE), 2.0), atol=1e-5)
    np.testing.assert_allclose(at(second, 1.0), np.full((4, *SHAPE), 5.0), atol=1e-5)


def test_a_path_of_one_segment_goes_from_the_noise_to_the_image():
    batch, noise = read(Pairs.of_steps(1, "late"))
    np.testing.assert_array_equal(batch["alpha"], np.zeros(4))
    np.testing.assert_array_equal(batch["x0"], noise)
    np.testing.assert_allclose(batch["x1"], np.full((4, *SHAPE), 5.0), atol=1e-6)


def test_a_straight_path_is_learned_at_every_alpha():
    batch, noise = read(Pairs())
    assert batch.keys() == {"x0", "x1"}
    np.testing.assert_array_equal(batch["x0"], noise)


def test_held_out_pairs_are_measured_in_all_segments():
    batch, _ = read(Pairs(ALPHAS))
    np.testing.assert_array_equal(batch["alpha"], [0, 0.25, 0, 0.25])


@pytest.mark.parametrize("grid", ["uniform", "cosine", "late"])
def test_steps_begin_where_a_solver_begins_them(grid):
    pairs = Pairs.of_steps(3, grid)
    solver, nb_step = solvers.get("euler", grid), tf.constant(3)
    path = solvers.trajectory(solver, lambda x, alpha: alpha[:, None], tf.zeros([1, 1]), nb_step)
    steps = np.diff(path[:, 0, 0])  # alpha times the length of each step
    np.testing.assert_allclose(steps, pairs.alphas[:-1] * np.diff(pairs.alphas), atol=1e-6)
    assert (pairs.segments, pairs.alphas[0], pairs.alphas[-1]) == (3, 0.0, 1.0)


def test_the_seed_alone_decides_on_the_segments():
    drawn = [draw_segments(tf.constant([seed, 7], tf.int64), 400, 4).numpy() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    assert np.bincount(drawn[0], minlength=4).min() > 60
