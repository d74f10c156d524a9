"""A network that sees a source, and pairs with a share of noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Training


def build_network(source_channels=1):
    """Any function of x with source_channels further channels, and of alpha, to [N, 2]."""
    x, alpha = keras.Input([2 + source_channels]), keras.Input([])
    hidden = keras.layers.Concatenate()([x, keras.layers.Reshape([1])(alpha)])
    for _ in range(2):
        hidden = keras.layers.Dense(64, "silu")(hidden)
    return keras.Model([x, alpha], keras.layers.Dense(2)(hidden))


def points(count, seed=0):
    """Points around (s, -s) for a source s of -1 or 1."""
    rng = np.random.default_rng(seed)
    source = rng.choice([-1.0, 1.0], (count, 1)).astype(np.float32)
    x1 = np.concatenate([source, -source], 1) + 0.1 * rng.normal(size=(count, 2))
    return {"x1": x1.astype(np.float32), "source": source}


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    training = Training(half_life=2000, warmup=0.1)
    model = IADBModel(build_network(), rank=2, source_channels=1, training=training)
    model.compile(keras.optimizers.Adam(3e-3))
    data = tf.data.Dataset.from_tensor_slices(points(4096)).shuffle(4096, 0).batch(256)
    model.fit(data, epochs=12, verbose=0)
    return model


def test_samples_follow_their_source_and_differ_by_noise(trained):
    x0 = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32)
    for value in (-1.0, 1.0):
        source = np.full([200, 1], value, np.float32)
        x1 = trained.transport(x0, 16, source=source).numpy()
        np.testing.assert_allclose(x1.mean(0), [value, -value], atol=0.15)
        assert (x1.std(0) > 0.02).all()
        end, states = trained.sample_iadb(x0, 16, source=source)
        np.testing.assert_allclose(end, x1, atol=1e-5)
        np.testing.assert_array_equal(states[0], x0)


def test_predict_and_evaluate_take_sources(trained):
    x0 = np.random.default_rng(1).normal(size=(8, 2)).astype(np.float32)
    data = points(8)
    predicted = trained.predict({"x0": x0, "source": data["source"]}, verbose=0)
    expected = trained.transport(x0, trained.sampling.nb_step, source=data["source"])
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    wrong = data | {"source": -data["source"]}
    losses = [
        trained.evaluate(tf.data.Dataset.from_tensors(each), verbose=0, return_dict=True)["loss"]
        for each in (data, wrong)
    ]
    assert losses[0] < 0.5 * losses[1]


def test_a_saved_model_keeps_its_sources_and_its_share_of_noise(tmp_path):
    training = Training(pair_noise=0.25)
    model = IADBModel(build_network(), rank=2, source_channels=1, training=training)
    model.compile("adam")
    model.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    assert (read.source_channels, read.training) == (1, training)


def test_sources_of_other_rows_than_x0_are_reported(trained):
    with pytest.raises(ValueError, match=r"source has the shape \(1, 1\), but x0 has \(8, 2\)"):
        trained.transport(tf.zeros([8, 2]), 2, source=tf.zeros([1, 1]))


@pytest.mark.parametrize(
    ("source_channels", "batch", "message"),
    [
        (1, {"x1": tf.zeros([4, 2])}, "source_channels=1 needs batches of dictionaries of x1 and"),
        (
            0,
            {"x1": tf.zeros([4, 2]), "source": tf.zeros([4, 1])},
            "source_channels=0 needs",
        ),
    ],
)
def test_a_batch_without_its_source_is_reported(source_channels, batch, message):
    model = IADBModel(build_network(source_channels), rank=2, source_channels=source_channels)
    with pytest.raises(ValueError, match=message):
        model.held_out_losses(batch)
    source = None if source_channels else tf.zeros([4, 1])
    with pytest.raises(ValueError, match=f"source_channels={source_channels} decides whether"):
        model.transport(tf.zeros([4, 2]), 2, source=source)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_x0_of_pairs_has_a_share_of_noise(share):
    """At alpha 0 a network sees x0, so its input tells what was blended."""
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            seen.append(x)
            return x

    x, alpha = keras.Input([2]), keras.Input([])
    y = Spy()(x) + 0.0 * keras.layers.Reshape([1])(alpha)
    model = IADBModel(keras.Model([x, alpha], y), rank=2, training=Training(pair_noise=share))
    seen.clear()
    x0, x1 = tf.fill([1000, 2], 4.0), tf.fill([1000, 2], 4.0)
    model.held_out_losses((x0, x1))
    values = seen[-1].numpy()
    if share:
        assert 2.7 < values.mean() < 3.3  # over alpha from 0 to 1, where x0 is 2 on average
        assert values.std() > 0.2
    else:
        np.testing.assert_allclose(values, 4.0)
