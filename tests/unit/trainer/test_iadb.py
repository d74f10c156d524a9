import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Training


def network(*shape):
    """Builds a network that takes [x, alpha], for any rank."""
    x, alpha = keras.Input(shape), keras.Input(())
    a = keras.layers.Dense(32)(keras.layers.Reshape((1,))(alpha))
    a = keras.layers.Reshape([1] * (len(shape) - 1) + [32])(a)
    h = keras.layers.Add()([keras.layers.Dense(32)(x), a])
    h = keras.layers.Dense(32, activation="silu")(keras.layers.Activation("silu")(h))
    return keras.Model([x, alpha], keras.layers.Dense(shape[-1])(h))


def points(n=4096, center=(3.0, -1.0)):
    keras.utils.set_random_seed(0)
    return np.float32(np.random.default_rng(0).normal(center, 0.1, (n, 2)))


def trained(data, **kwargs):
    keras.utils.set_random_seed(0)
    model = IADBModel(network(2), rank=2, training=Training(**kwargs))
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(data.batch(256), epochs=10, verbose=0)
    return model, history.history["loss"]


def test_noise_is_mapped_to_the_density_of_the_data():
    model, losses = trained(tf.data.Dataset.from_tensor_slices(points()))
    assert losses[-1] < losses[0] / 2
    x1, trajectory = model.sample_iadb(tf.random.stateless_normal([500, 2], [0, 1]), nb_step=16)
    np.testing.assert_allclose(np.mean(x1, 0), (3.0, -1.0), atol=0.15)
    assert np.std(x1, 0).max() < 0.4
    assert trajectory.shape == (17, 500, 2)
    np.testing.assert_array_equal(trajectory[-1], x1)


def test_pairs_map_one_density_to_another():
    x0, x1 = points(center=(-2.0, 2.0)), points(center=(1.0, 1.0))
    model, _ = trained(tf.data.Dataset.from_tensor_slices((x0, x1)))
    mapped, _ = model.sample_iadb(tf.constant(x0[:500]), nb_step=8)
    np.testing.assert_allclose(np.mean(mapped, 0), (1.0, 1.0), atol=0.15)


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4, 2)])
def test_ranks_two_to_five_train_and_sample(shape):
    model = IADBModel(network(*shape), rank=len(shape) + 1)
    model.compile(optimizer="adam")
    model.fit(tf.data.Dataset.from_tensors(tf.zeros([3, *shape])), verbose=0)
    x1, trajectory = model.sample_iadb(tf.zeros([3, *shape]), nb_step=2)
    assert x1.shape == (3, *shape)
    assert trajectory.shape == (3, 3, *shape)


def test_the_same_seed_trains_the_same_weights():
    data = tf.data.Dataset.from_tensor_slices(points(512))
    first, second, other = (trained(data, seed=seed)[0].get_weights() for seed in (1, 1, 2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(first, other, strict=True))


def test_samples_are_drawn_with_the_average_of_the_weights():
    net = network(2)
    model = IADBModel(net, rank=2, training=Training(half_life=10**9))
    model.compile(optimizer=keras.optimizers.SGD(0.05))
    x0 = tf.ones([4, 2])
    before, _ = model.sample_iadb(x0, nb_step=2)
    model.fit(tf.data.Dataset.from_tensor_slices(points(512)).batch(64), verbose=0)
    after, _ = model.sample_iadb(x0, nb_step=2)
    np.testing.assert_allclose(before, after, atol=1e-3)
    assert model.sampling_network is model.ema_network


def test_each_step_logs_its_gradient_norm_and_adds_its_losses_by_alpha():
    class Keep(keras.callbacks.Callback):
        logs = None

        def on_train_batch_end(self, batch, logs):
            self.logs = logs

    keep = Keep()
    model = IADBModel(network(2), rank=2)
    model.compile(optimizer="adam")
    data = tf.data.Dataset.from_tensors(points(1000))
    history = model.fit(data, verbose=0, callbacks=[keep]).history
    assert keep.logs["gradient_norm"] > 0
    parts = model.loss_by_alpha.result().numpy()
    assert parts.shape == (10,)
    # Each part has about a tenth of the images.
    assert np.mean(parts) == pytest.approx(keep.logs["loss"], rel=0.05)
    assert history["loss"][0] == pytest.approx(keep.logs["loss"])


def test_a_batch_may_choose_its_alphas():
    model = IADBModel(network(2), rank=2)
    model.compile(optimizer="adam")
    batch = {"x0": points(64, (0, 0)), "x1": points(64), "alpha": np.full(64, 0.34, np.float32)}
    data = tf.data.Dataset.from_tensors(batch)
    model.fit(data, verbose=0)
    assert np.flatnonzero(np.isfinite(model.loss_by_alpha.result())).tolist() == [3]
    _, alpha = model.held_out_losses({key: tf.constant(value) for key, value in batch.items()})
    np.testing.assert_array_equal(alpha, batch["alpha"])


def test_alphas_are_uniform_from_0_to_1():
    alpha = IADBModel(network(2), rank=2).draw(tf.constant([20_000, 2])).alpha
    shares, _ = np.histogram(alpha, bins=4, range=(0, 1))
    np.testing.assert_allclose(shares / 20_000, 0.25, atol=0.015)


def test_a_given_x0_stays_with_its_x1():
    x1 = points(64)
    x, alpha = keras.Input((2,)), keras.Input(())
    zero = keras.Model([x, alpha], 0.0 * keras.layers.Dense(2)(x))
    model = IADBModel(zero, rank=2)
    model.compile(optimizer="sgd")
    data = tf.data.Dataset.from_tensors((np.roll(x1, 1, axis=0), x1))
    (loss,) = model.fit(data, verbose=0).history["loss"]
    assert loss == pytest.approx(np.mean((np.roll(x1, 1, axis=0) - x1) ** 2))


def test_a_weight_that_the_network_does_not_use_is_unchanged():
    x, alpha = keras.Input((2,)), keras.Input(())
    layer = keras.layers.Dense(2)
    unused = layer.add_weight(shape=(3,), initializer="ones", name="unused")
    net = keras.Model([x, alpha], layer(x))
    model = IADBModel(net, rank=2)
    model.compile(optimizer="adam")
    before = layer.kernel.numpy()
    model.fit(tf.data.Dataset.from_tensors(points(8)), verbose=0)
    np.testing.assert_array_equal(unused, np.ones(3))
    assert np.any(layer.kernel != before)


def test_accumulated_gradients_update_the_weights_in_the_last_step_only():
    net = network(2)
    model = IADBModel(net, rank=2)
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0, gradient_accumulation_steps=3))
    before = net.get_weights()
    data = tf.data.Dataset.from_tensor_slices(points(48)).batch(16)
    model.fit(data.take(2), verbose=0)
    for one, other in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    model.fit(data.take(1), verbose=0)
    assert any(np.any(one != other) for one, other in zip(net.get_weights(), before, strict=True))


TWO_DEVICES = """
import sys
import numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from trainer.iadb import IADBModel, Sampling, Training
from trainer.ode.guidance import Guidance
x1 = np.float32(np.random.default_rng(0).normal(2.0, 0.1, (64, 2)))
label = np.arange(64) % 3
weights = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        x, alpha = keras.Input((2,)), keras.Input(())
        h = keras.layers.Concatenate()([x, keras.layers.Reshape((1,))(alpha)])
        net = keras.Model([x, alpha], keras.layers.Dense(2)(keras.layers.Dense(8, "tanh")(h)))
        training = Training(half_life=100, warmup=0.5, guide_after=5)
        guided = Sampling(guidance=Guidance(auto=2.0))
        model = IADBModel(net, rank=2, training=training, sampling=guided)
        guide = model.guide
        # The gradients are larger.
        model.compile(optimizer=keras.optimizers.SGD(1e-2, global_clipnorm=0.1))
    data = tf.data.Dataset.from_tensor_slices(x1[:49]).batch(16)  # one replica has none of the last
    logs = model.fit(data, epochs=3, verbose=0).history
    averages = model.ema_network.get_weights() + guide.network.get_weights()
    assert guide.is_ready
    with strategy.scope():
        guide.ready.assign(1)  # as a warm start does
        averages.append(model.transport(x1, 2).numpy())
    weights.append(net.get_weights() + averages + logs["loss"] + logs["gradient_norm"])

    with strategy.scope():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((2,)), keras.Input(()), keras.Input((), dtype="int64")
        h = keras.layers.Concatenate()([inputs[0], keras.layers.Embedding(4, 8)(inputs[2])])
        net = keras.Model(inputs, keras.layers.Dense(2)(h))
        model = IADBModel(net, rank=2, nb_class=3, training=Training(label_dropout=0.5))
        model.compile(optimizer=keras.optimizers.SGD(1e-2, global_clipnorm=0.1))
    data = tf.data.Dataset.from_tensor_slices({"x1": x1[:61], "label": label[:61]})
    model.fit(data.batch(16), epochs=3, verbose=0)  # of the last batch, they have 8 and 5
    weights[-1] += net.get_weights()

    with strategy.scope():
        keras.utils.set_random_seed(0)
        x, alpha = keras.Input((2,)), keras.Input(())
        net = keras.Model([x, alpha], keras.layers.Dense(2)(x))
        model = IADBModel(net, rank=2, training=Training(pair_noise=0.2))
        model.compile(optimizer=keras.optimizers.SGD(1e-2))
    pairs = tf.data.Dataset.from_tensor_slices((x1[::-1], x1))
    model.fit(pairs.batch(16), epochs=3, verbose=0)
    weights[-1] += net.get_weights()
for one, two in zip(*weights, strict=True):
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
def test_two_replicas_reach_the_weights_and_the_average_of_one_whatever_the_last_batch():
    result = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
