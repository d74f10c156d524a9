import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Sampling

MEAN = 3.0


class Counting(keras.layers.Layer):
    """d = alpha x - MEAN x^2 / 10; counts how often it is traced."""

    traces = 0

    def call(self, inputs):
        x, alpha = inputs
        self.traces += 1
        return alpha[:, None] * x - MEAN * x**2 / 10


@pytest.fixture
def model():
    x, alpha = keras.Input([2]), keras.Input([])
    return IADBModel(keras.Model([x, alpha], Counting()([x, alpha])), rank=2)


def points(nb):
    return tf.random.stateless_uniform([nb, 2], [0, nb])


@pytest.mark.parametrize("name", ["euler", "rk4"])
def test_one_trace_serves_any_number_of_steps_and_samples(model, name):
    model.sampling = Sampling(name)
    layer = model.network.layers[-1]
    model.sample_iadb(points(3), nb_step=2)
    traces = layer.traces
    for nb, nb_step in ((5, 7), (1, 30), (3, tf.constant(4))):
        x1, states = model.sample_iadb(points(nb), nb_step=nb_step)
        assert states.shape == (int(nb_step) + 1, nb, 2)
        np.testing.assert_array_equal(states[0], points(nb))
        np.testing.assert_array_equal(states[-1], x1)
    assert layer.traces == traces


def test_fewer_steps_reach_the_same_samples_with_a_better_solver(model):
    def draw(*how, nb_step):
        model.sampling = Sampling(*how)
        return model.sample_iadb(points(50), nb_step)[0].numpy()

    exact = draw("rk4", nb_step=64)
    apart = {
        "euler": np.abs(draw("euler", nb_step=16) - exact).max(),
        "late": np.abs(draw("heun", "late", nb_step=8) - exact).max(),
    }
    assert apart["late"] < apart["euler"] / 5


@pytest.mark.parametrize("name", ["heun", "rk4"])
def test_transport_ends_where_the_trajectory_ends(model, name):
    model.sampling = Sampling(name)
    x1, _ = model.sample_iadb(points(5), nb_step=6)
    np.testing.assert_allclose(model.transport(points(5), nb_step=6), x1, rtol=1e-5)


@pytest.mark.parametrize("nb", [1, 2, 5])
def test_rows_keep_their_order_however_a_batch_is_split(model, nb):
    model.sampling = Sampling("heun")
    rows = [model.sample_iadb(points(nb)[i : i + 1], nb_step=4) for i in range(nb)]
    x1, states = model.sample_iadb(points(nb), nb_step=4)
    np.testing.assert_allclose(x1, tf.concat([row for row, _ in rows], 0), rtol=1e-6)
    np.testing.assert_allclose(states, tf.concat([row for _, row in rows], 1), rtol=1e-6)
    np.testing.assert_allclose(model.transport(points(nb), nb_step=4), x1, rtol=1e-6)


def test_no_rows_become_none(model):
    x, alpha = keras.Input([4, 4, 1]), keras.Input([])
    images = IADBModel(keras.Model([x, alpha], keras.layers.Conv2D(1, 3, padding="same")(x)))
    for each, x0 in ((model, points(3)), (images, tf.zeros([3, 4, 4, 1]))):
        assert each.transport(x0[:0], 2).shape == [0, *x0.shape[1:]]
        x1, states = each.sample_iadb(x0[:0], 2)
        assert (x1.shape, states.shape) == ([0, *x0.shape[1:]], [3, 0, *x0.shape[1:]])


def test_samples_can_be_drawn_inside_a_graph(model):
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def draw(x0):
        return model.transport(x0, nb_step=4), *model.sample_iadb(x0, nb_step=4)

    x1, states = model.sample_iadb(points(5), nb_step=4)
    for found, expected in zip(draw(points(5)), (x1, x1, states), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_x0_may_have_any_precision(model):
    x0 = np.random.default_rng(0).random((3, 2))
    drawn = [model.transport(given, 4) for given in (x0, tf.constant(x0), np.float32(x0))]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize("nb_step", [2.5, np.inf, np.nan, [4, 5], 0, -3])
def test_a_number_of_steps_that_is_none_is_rejected(model, nb_step):
    with pytest.raises(ValueError, match=r"nb_step=.* must be (a whole number|at least 1)"):
        model.sample_iadb(points(3), nb_step)


def test_whole_numbers_are_no_x0(model):
    with pytest.raises(ValueError, match="x0 has values of uint8; scale images"):
        model.predict(np.zeros((3, 2), np.uint8), verbose=0)


def test_points_may_be_written_as_a_list_and_steps_be_a_variable(model):
    steps = tf.Variable(4)

    @tf.function
    def draw(x0):
        return model.transport(x0, steps)

    x0 = [[0, 0], [1, 1]]
    expected = model.transport(np.float32(x0), 4)
    np.testing.assert_allclose(model.transport(x0, steps), expected, rtol=1e-6)
    np.testing.assert_allclose(draw(np.float32(x0)), expected, rtol=1e-6)
