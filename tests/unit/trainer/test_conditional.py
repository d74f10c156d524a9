"""A conditional model on 2D points, each class around its own center."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Sampling, Training
from trainer.ode import methods, solvers
from trainer.ode.field import vector_field
from trainer.ode.guidance import Guidance

CENTERS = np.float32([[3, 0], [-3, 0], [0, 3]])
NONE = len(CENTERS)


def build_network():
    """A network that takes [x, alpha, label]."""
    x, alpha, label = keras.Input((2,)), keras.Input(()), keras.Input((), dtype="int64")
    classes = keras.layers.Embedding(NONE + 1, 32)(label)
    time = keras.layers.Reshape((1,))(alpha)
    h = keras.layers.Dense(64, "silu")(keras.layers.Concatenate()([x, time, classes]))
    h = keras.layers.Dense(64, "silu")(h)
    return keras.Model([x, alpha, label], keras.layers.Dense(2)(h))


def test_labels_are_predicted_from_in_a_dictionary_alone():
    model = IADBModel(build_network(), rank=2, nb_class=2, sampling=Sampling(nb_step=2))
    x0, label = tf.zeros([4, 2]), tf.zeros([4], tf.int64)
    data = tf.data.Dataset.from_tensor_slices((x0, label)).batch(2)
    with pytest.raises(ValueError, match="predict takes labels in a dictionary"):
        model.predict(data, verbose=0)


def points(n=4096):
    rng = np.random.default_rng(0)
    label = rng.integers(0, NONE, n)
    return {"x1": CENTERS[label] + 0.1 * rng.normal(size=(n, 2)).astype(np.float32), "label": label}


@pytest.fixture(scope="module")
def network():
    """A network that was trained with a quarter of the labels dropped."""
    keras.utils.set_random_seed(0)
    training = Training(label_dropout=0.25)
    model = IADBModel(build_network(), rank=2, nb_class=NONE, training=training)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(tf.data.Dataset.from_tensor_slices(points()).batch(256), epochs=15, verbose=0)
    return model.network


def guided(network, guidance):
    sampling = Sampling(guidance=Guidance(label=guidance))
    return IADBModel(network, rank=2, nb_class=NONE, sampling=sampling)


def draw(network, label=None, guidance=1.0):
    model = guided(network, guidance)
    x0 = tf.random.stateless_normal([300, 2], [0, 1])
    if label is not None:
        label = tf.fill([300], label)
    x1, trajectory = model.sample_iadb(x0, 16, label)
    np.testing.assert_allclose(model.transport(x0, 16, label), x1, atol=1e-4)
    np.testing.assert_array_equal(trajectory[-1], x1)
    return x1.numpy()


@pytest.mark.parametrize("label", range(NONE))
def test_samples_of_a_label_are_at_its_class(network, label):
    x1 = draw(network, label)
    np.testing.assert_allclose(x1.mean(0), CENTERS[label], atol=0.3)
    assert x1.std(0).max() < 0.6


def test_samples_without_a_label_cover_all_classes(network):
    distances = np.linalg.norm(draw(network)[:, None] - CENTERS, axis=2)
    shares = np.bincount(distances.argmin(1), minlength=NONE) / 300
    assert shares.min() > 0.15
    np.testing.assert_array_equal(draw(network), draw(network, NONE))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_each_row_of_an_odd_batch_follows_its_own_label(network, guidance):
    model = guided(network, guidance)
    x0 = tf.random.stateless_normal([5, 2], [0, 1])
    label = np.array([2, 0, NONE, 1, 0])
    rows = [model.transport(x0[i : i + 1], 4, label[i : i + 1]) for i in range(5)]
    x1, states = model.sample_iadb(x0, 4, label)
    np.testing.assert_allclose(x1, tf.concat(rows, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.transport(x0, 4, label), x1, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(states[0], x0)


def test_guidance_of_one_follows_the_label_and_of_zero_ignores_it(network):
    x = tf.random.stateless_normal([50, 2], [1, 1])
    alpha = tf.linspace(0.0, 1.0, 50)
    label = tf.cast(tf.range(50) % NONE, tf.int64)
    with_label, without = network([x, alpha, label]), network([x, alpha, tf.fill([50], NONE)])

    def field(guidance):
        return vector_field(network, label, NONE, guidance)(x, alpha)

    np.testing.assert_array_equal(field(1.0), with_label)
    np.testing.assert_allclose(field(0.0), without, atol=1e-5)
    np.testing.assert_allclose(field(1.0 + 1e-6), with_label, atol=1e-4)
    np.testing.assert_allclose(field(3.0), 3 * with_label - 2 * without, atol=1e-3)


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 5), (2.0, 10)])
def test_guidance_evaluates_the_network_on_twice_the_rows_at_once(guidance, rows):
    seen = []

    def spy(inputs, training):
        seen.append([int(tensor.shape[0]) for tensor in inputs])
        return inputs[0]

    field = vector_field(spy, tf.zeros([5], tf.int64), NONE, guidance)
    solvers.solve(methods.get("euler"), field, tf.ones([5, 2]), tf.constant(1))
    assert seen == [[rows] * 3]


def test_guidance_amplifies_the_label(network):
    plain, guided = draw(network, 0), draw(network, 0, guidance=2.0)
    assert guided[:, 0].mean() > plain[:, 0].mean() + 0.1


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_the_configured_fraction_of_labels_is_dropped(fraction):
    training = Training(label_dropout=fraction)
    model = IADBModel(build_network(), rank=2, nb_class=NONE, training=training)
    unlabeled = model.draw(tf.constant([20_000, 2])).unlabeled
    assert np.mean(unlabeled) == pytest.approx(fraction, abs=0.01)
    model.step.assign_add(1)
    later = model.draw(tf.constant([20_000, 2])).unlabeled
    assert fraction == 0 or np.any(unlabeled != later)


class Recorder(keras.layers.Layer):
    """Records the labels of a training step."""

    def __init__(self):
        super().__init__()
        self.seen = self.add_weight(shape=(8,), dtype="int64", initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        x, _, label = inputs
        self.seen.assign(label)
        return self.scale * x


@pytest.mark.parametrize("pairs", [False, True])
def test_labels_that_are_not_dropped_stay_with_their_points(pairs):
    inputs = keras.Input((2,)), keras.Input(()), keras.Input((), dtype="int64")
    recorder = Recorder()
    net = keras.Model(inputs, recorder(inputs))
    model = IADBModel(net, rank=2, nb_class=NONE, training=Training(label_dropout=0.5))
    model.compile(optimizer="sgd")
    label = np.int32([0, 1, 2, 0, 1, 2, 0, 1])
    unlabeled = model.draw(tf.constant([8, 2])).unlabeled
    batch = {"x1": np.zeros([8, 2], np.float32), "label": label}
    if pairs:
        batch["x0"] = np.ones([8, 2], np.float32)
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    np.testing.assert_array_equal(recorder.seen, np.where(unlabeled, NONE, label))
    assert 0 < np.sum(unlabeled) < 8
    if pairs:  # x_alpha = 1 - alpha, and x1 - x0 = -1
        assert 1 < history["loss"][0] < 4


def test_the_gradient_norm_sums_the_images_of_a_label():
    inputs = keras.Input((2,)), keras.Input(()), keras.Input((), dtype="int64")
    classes = keras.layers.Embedding(NONE + 1, 2, embeddings_initializer="zeros")(inputs[2])
    network, training = keras.Model(inputs, classes), Training(label_dropout=0.0)
    model = IADBModel(network, rank=2, nb_class=NONE, training=training)
    model.compile(optimizer="sgd")
    batch = {"x0": tf.zeros([8, 2]), "x1": tf.ones([8, 2]), "label": tf.zeros([8], tf.int64)}
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0).history
    # The gradient of the mean of (e - 1)^2 at e = 0 is -1 for each coordinate of the one row.
    assert history["gradient_norm"][0] == pytest.approx(2**0.5)


def test_a_batch_that_the_network_cannot_take_is_rejected(network):
    def train(batch, **kwargs):
        model = IADBModel(network, rank=2, **kwargs)
        model.compile(optimizer="sgd")
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)

    with pytest.raises(
        ValueError, match="nb_class=3 needs batches of dictionaries of x1 and label"
    ):
        train(tf.zeros([4, 2]), nb_class=NONE)
    with pytest.raises(ValueError, match=r"nb_class=0 needs batches of x1 or \(x0, x1\)"):
        train({"x1": tf.zeros([4, 2]), "label": tf.zeros([4], tf.int64)})


def test_a_label_for_a_network_that_takes_none_is_rejected(network):
    model = IADBModel(network, rank=2)
    with pytest.raises(ValueError, match="the network takes none"):
        model.sample_iadb(tf.zeros([4, 2]), 2, label=tf.zeros([4], tf.int64))


def test_one_label_is_that_of_all_rows(network):
    model = IADBModel(network, rank=2, nb_class=NONE)
    x0 = tf.random.stateless_normal([3, 2], [0, 1])
    np.testing.assert_array_equal(model.transport(x0, 4, 1), model.transport(x0, 4, [1, 1, 1]))


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ([0.7, 0.0, 0.0], "labels are whole numbers from 0 to 3, got float32: cast them"),
        ([0, 1], r"labels have shape \(2,\) for 3 rows: pass one for each"),
    ],
)
def test_labels_that_there_are_not_are_rejected(network, label, error):
    model = IADBModel(network, rank=2, nb_class=NONE)
    with pytest.raises(ValueError, match=error):
        model.transport(tf.zeros([3, 2]), 4, label)
