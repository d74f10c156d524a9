"""What the methods of Keras are given is checked, wherever it comes from."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel
from trainer.networks.mlp import build_mlp
from trainer.step.ema import ExponentialMovingAverage

POINTS = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
LATE = {"x1": POINTS, "alpha": np.full(8, 7, "float32")}


def compiled(network=None, **kwargs):
    model = IADBModel(network or build_mlp(2, width=8, depth=1), rank=2, **kwargs)
    model.compile(optimizer="adam")
    return model


@pytest.fixture(scope="module")
def model():
    return compiled()


class Batches(keras.utils.PyDataset):
    def __init__(self, batch, **kwargs):
        super().__init__(**kwargs)
        self.batch, self.epochs = batch, 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.batch

    def on_epoch_end(self):
        self.epochs += 1


def generate(batch):
    while True:
        yield (batch,)


@pytest.mark.parametrize("source", [Batches, generate])
def test_batches_of_a_program_are_checked(model, source):
    with pytest.raises(ValueError, match=r"alpha 7.0 is beyond 0 to 1"):
        model.fit(source(LATE), steps_per_epoch=2, verbose=0)
    with pytest.raises(ValueError, match=r"alpha 7.0 is beyond 0 to 1"):
        model.fit(POINTS, validation_data=source(LATE), validation_steps=2, verbose=0)
    with pytest.warns(UserWarning, match="x1 has values from .*; scale images to"):
        model.fit(source(500 * POINTS), steps_per_epoch=2, verbose=0)
    assert "loss" in model.fit(source(POINTS), steps_per_epoch=2, verbose=0).history
    with pytest.warns(UserWarning, match="x0 has values from .*; scale images to") as found:
        model.predict(source(500 * POINTS), steps=2, verbose=0)
    assert len(found) == 1  # of the first batch


def test_a_dataset_of_keras_is_read_as_it_says(model):
    batches = Batches(POINTS, workers=2, max_queue_size=3)
    before = model.step.numpy()
    model.fit(batches, epochs=3, verbose=0)
    assert model.step - before == 6
    assert batches.epochs >= 3  # once more where Keras looks ahead


def test_a_dictionary_in_a_tuple_is_checked_as_one_without(model):
    data = tf.data.Dataset.from_tensor_slices((LATE,)).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="alpha is beyond 0 to 1"):
        model.fit(data, verbose=0)
    pairs = tf.data.Dataset.from_tensors(((POINTS, POINTS),))
    with pytest.raises(ValueError, match="pass pairs as fit"):
        model.fit(pairs, verbose=0)


def test_a_format_without_a_place_for_the_average_is_refused_before_a_training(tmp_path):
    network = build_mlp(2, width=8, depth=1)
    model = compiled(network, ema=ExponentialMovingAverage(network, 500, 0.05))
    file = tmp_path / "model.h5"
    with pytest.raises(ValueError, match=r"model.h5: save the model as .keras"):
        model.fit(POINTS, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(file)])
    with pytest.raises(ValueError, match=r"model.hdf5: save the model as .keras"):
        model.save(tmp_path / "model.hdf5")
    assert model.step == 0
    weights = keras.callbacks.ModelCheckpoint(tmp_path / "1.weights.h5", save_weights_only=True)
    model.fit(POINTS, verbose=0, callbacks=weights)
    assert (tmp_path / "1.weights.h5").exists()


def test_a_model_whose_choices_are_tensors_is_saved_and_loaded(tmp_path):
    model = compiled(nb_step=tf.constant(4), pair_noise=tf.constant(0.25))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.nb_step, loaded.pair_noise) == (4, 0.25)


def test_an_alpha_that_is_no_number_is_refused(model):
    with pytest.raises(ValueError, match=r"alpha nan is beyond 0 to 1"):
        model.fit({"x1": POINTS, "alpha": np.full(8, np.nan, "float32")}, verbose=0)
    with pytest.raises(ValueError, match="alpha has values of int64; pass it as float32"):
        model.fit({"x1": POINTS, "alpha": np.zeros(8, "int64")}, verbose=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_before_it_spoils_the_weights(model, value):
    spoiled = np.tile(POINTS, (20, 1))
    spoiled[-1, 0] = value  # beyond the rows whose scale is looked at
    before = model.step.numpy()
    for call in (
        lambda: model.fit(spoiled, verbose=0),
        lambda: model.fit({"x1": spoiled}, verbose=0),
        lambda: model.fit(spoiled, spoiled[::-1], verbose=0),
        lambda: model.fit(generate(spoiled), steps_per_epoch=1, verbose=0),
        lambda: model.train_on_batch(spoiled),
    ):
        with pytest.raises(ValueError, match=r"x[01] has values from .*; all must be finite: repl"):
            call()
    assert model.step == before


@pytest.mark.parametrize("batch", [POINTS, {"x1": POINTS}, (POINTS, POINTS)])
def test_a_generator_may_yield_any_batch_and_stays_lazy(model, batch):
    taken = []

    def batches():
        for i in range(50):
            taken.append(i)
            yield batch

    before = model.step.numpy()
    model.fit(batches(), steps_per_epoch=2, verbose=0)
    assert model.step - before == 2
    assert len(taken) < 50
    assert np.isfinite(model.evaluate(batches(), steps=2, verbose=0))


def test_images_from_0_to_1_are_named():
    network = keras.Sequential([keras.layers.Conv2D(1, 1)])
    inputs = keras.Input([4, 4, 1]), keras.Input([])
    model = IADBModel(keras.Model(inputs, network(inputs[0])))
    model.compile(optimizer="adam")
    images = np.random.default_rng(0).uniform(size=(16, 4, 4, 1)).astype("float32")
    with pytest.warns(UserWarning, match=r"x1 has values from 0.* to .*; scale images"):
        model.fit(images, verbose=0)
    model.fit(images - 0.1, verbose=0)  # a warning would be an error
    model.fit(images[:2], verbose=0)  # two bright images are none


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_a_weighted_batch_is_refused(model, method):
    with pytest.raises(ValueError, match="IADB weighs all images alike: leave out sample_weight"):
        getattr(model, method)(POINTS, sample_weight=np.ones(8))


@pytest.mark.parametrize("seed", [None, 1.5, "a", 2**63])
def test_a_seed_that_is_no_whole_number_is_refused(model, seed):
    with pytest.raises(ValueError, match=r"seed=.* must be a whole number of 64 bits"):
        compiled(seed=seed)
    with pytest.raises(ValueError, match=r"seed=.* must be a whole number of 64 bits"):
        model.seed = seed


@pytest.mark.parametrize(("half_life", "warmup"), [(-1, 0.0), (float("nan"), 0.0), (1, -0.1)])
def test_an_average_that_would_diverge_is_refused(half_life, warmup):
    with pytest.raises(ValueError, match=r"(half_life|warmup)=.* must be"):
        ExponentialMovingAverage(build_mlp(2, 8, 1), half_life, warmup)


@pytest.mark.parametrize("name", ["network", "ema_network"])
def test_a_network_is_not_replaced(model, name):
    """Average, guide and optimizer would keep the old one."""
    with pytest.raises(ValueError, match=f"{name} cannot be replaced: make a new IADBModel"):
        setattr(model, name, build_mlp(2, width=8, depth=1))


def test_sources_of_other_rows_than_x0_are_refused():
    network = build_mlp(3, width=8, depth=1)
    sees = keras.Model(network.inputs, network.outputs[0][:, :2])
    model = compiled(sees, source_channels=1)
    with pytest.raises(ValueError, match=r"source has the shape \(1, 1\), but x0 has \(8, 2\)"):
        model.transport(POINTS, 2, source=np.zeros((1, 1), "float32"))


def test_a_list_is_no_x0(model):
    with pytest.raises(ValueError, match="predict takes x0, or a dictionary with x0"):
        model.predict([POINTS], verbose=0)


def test_what_cannot_be_exported_is_said(model, tmp_path):
    with pytest.raises(ValueError, match=r"sampling_network.export\(\) writes the network"):
        model.export(tmp_path)
    model.sampling_network.export(tmp_path, verbose=False)
    assert (tmp_path / "saved_model.pb").is_file()
