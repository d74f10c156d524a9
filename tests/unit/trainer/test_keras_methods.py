import functools
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from trainer.fit.callbacks import TensorBoardLog
from trainer.fit.sample_grid import SampleGrid
from trainer.iadb import IADBModel, Sampling, Training
from trainer.networks.mlp import build_mlp
from trainer.optimizers.adam import FusedAdam
from trainer.optimizers.muon import ConvolutionalMuon
from trainer.step.copies import ExponentialMovingAverage, GuidingNetwork

AVERAGE = {"half_life": 500, "warmup": 0.05}


def points(n=256, center=3.0, seed=0):
    return np.float32(np.random.default_rng(seed).normal(center, 0.1, (n, 2)))


def make(*, average=True, seed=0, **kwargs):
    keras.utils.set_random_seed(0)
    network = build_mlp(2, width=16, depth=1)
    average = AVERAGE if average else {}
    training, sampling = Training(seed=seed, **average), Sampling(nb_step=4, **kwargs)
    return IADBModel(network, rank=2, training=training, sampling=sampling)


def compiled(**kwargs):
    model = make(**kwargs)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    return model


@pytest.fixture(scope="module")
def used():
    """A model for tests that do not mind what it was trained on: to trace a step takes a second."""
    return compiled()


@pytest.mark.slow
def test_evaluate_gives_the_same_loss_for_the_same_images_and_a_lower_one_after_training():
    model = compiled()
    held_out = points(seed=1)
    first, again = (model.evaluate(held_out, verbose=0) for _ in range(2))
    assert first == again
    model.fit(points(1024), epochs=10, verbose=0)
    assert model.evaluate(held_out, verbose=0) < first / 2


def test_evaluate_averages_over_images_whatever_the_size_of_the_last_batch(used):
    held_out = points(80)
    parts = [
        used.evaluate(part, batch_size=64, verbose=0) for part in (held_out[:64], held_out[64:])
    ]
    whole = used.evaluate(held_out, batch_size=64, verbose=0)
    assert whole == pytest.approx(0.8 * parts[0] + 0.2 * parts[1], rel=1e-5)


def test_evaluate_measures_the_network_that_draws_samples():
    model = compiled()
    before = model.evaluate(points(), verbose=0)
    model.ema_network.set_weights([2 * w for w in model.ema_network.get_weights()])
    assert model.evaluate(points(), verbose=0) != before
    model.network.set_weights([0 * w for w in model.network.get_weights()])
    assert model.evaluate(points(), verbose=0) != 0


@pytest.mark.parametrize(
    "validation",
    [
        {"validation_data": points(64)},
        {"validation_data": tf.data.Dataset.from_tensor_slices(points(64)).batch(16)},
        {"validation_split": 0.25},
    ],
)
def test_fit_reports_the_loss_of_held_out_images_after_each_epoch(used, validation):
    history = used.fit(points(), epochs=3, verbose=0, **validation).history
    assert set(history) == {"loss", "gradient_norm", "val_loss"}
    assert np.isfinite(history["val_loss"]).all()
    assert len(history["val_loss"]) == 3


def test_fit_takes_pairs_as_two_arrays():
    history = compiled().fit(points(center=0.0), points(), epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]


def test_predict_maps_noise_to_samples(used):
    x0 = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    x1, _ = used.sample_iadb(x0, nb_step=4)
    np.testing.assert_allclose(used.predict(x0, verbose=0), x1, atol=1e-6)


def test_predict_takes_a_batch_and_the_first_of_what_a_dataset_has(used):
    x0 = points(8, center=0.0)
    expected = used.predict(x0, verbose=0)
    np.testing.assert_allclose(used.predict_on_batch(x0), expected, atol=1e-6)
    pairs = tf.data.Dataset.from_tensor_slices((x0, points(8))).batch(4)
    np.testing.assert_allclose(used.predict(pairs, verbose=0), expected, atol=1e-6)


def test_predict_takes_labels():
    x, alpha, label = keras.Input((2,)), keras.Input(()), keras.Input((), dtype="int64")
    network = keras.Model([x, alpha, label], keras.layers.Embedding(4, 2)(label))
    model = IADBModel(network, rank=2, nb_class=3, sampling=Sampling(nb_step=2))
    x0, label = np.zeros((6, 2), np.float32), np.arange(6) % 3
    x1, _ = model.sample_iadb(x0, nb_step=2, label=label)
    found = model.predict({"x0": x0, "label": label}, verbose=0)
    np.testing.assert_allclose(found, x1, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["x0", "lable"], "unexpected keyword argument 'lable'"),
        (["label"], "missing 1 required positional argument: 'x0'"),
    ],
)
def test_predict_rejects_a_dictionary_with_an_unknown_key_or_without_x0(used, given, error):
    with pytest.raises(TypeError, match=error):
        used.predict(dict.fromkeys(given, points(4)), verbose=0)


@pytest.mark.parametrize("average", [True, False])
def test_a_saved_model_samples_as_before_and_trains_on(tmp_path, average):
    model = compiled(average=average, solver="heun", grid="late", seed=3)
    model.fit(points(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.training, loaded.sampling) == (model.training, model.sampling)
    x0 = tf.random.stateless_normal([5, 2], [0, 0])
    np.testing.assert_array_equal(loaded.transport(x0, 4), model.transport(x0, 4))
    losses = [each.fit(points(), verbose=0).history["loss"] for each in (model, loaded)]
    assert losses[0] == losses[1]


@functools.cache
def trained_weights(**how):
    model = make()
    model.compile(optimizer="adam", **how)
    model.fit(points(), batch_size=32, verbose=0)
    return model.network.get_weights()


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {"steps_per_execution": 4}])
def test_steps_train_the_same_however_they_are_run(how):
    weights = trained_weights(), trained_weights(**how)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_a_step_can_be_compiled(recwarn):
    model = make()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True)
    losses = model.fit(points(1024), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert model.jit_compile
    assert not any("jit_compile" in str(warning.message) for warning in recwarn)


@pytest.mark.slow
def test_callbacks_of_keras_work(tmp_path):
    used = [
        keras.callbacks.EarlyStopping(patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.TensorBoard(tmp_path / "board"),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    compiled().fit(points(), epochs=2, validation_data=points(64), callbacks=used, verbose=0)
    assert keras.saving.load_model(tmp_path / "best.keras").predict(points(8), verbose=0).size
    assert (tmp_path / "log.csv").read_text().startswith("epoch,gradient_norm,")


def without_grids(folder, log_every):
    """A log of a training on points, which are no images."""
    board = TensorBoardLog(
        str(folder),
        start_step=0,
        batch_size=256,
        log_every=log_every,
        grid_every=1000,
        samples=SampleGrid(tf.zeros([1, 2])),
        nb_step=1,
    )
    board._write_grid = lambda: None
    return board


def test_losses_by_alpha_in_tensorboard_are_those_of_training_alone(tmp_path):
    board = without_grids(tmp_path, log_every=3)
    far = points(64, center=1e3)
    compiled().fit(points(512), batch_size=128, epochs=2, validation_data=far, callbacks=[board])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("loss_by_alpha")]
    found = [
        (each.step, float(make_ndarray(each.tensor_proto)))
        for t in tags
        for each in events.Tensors(t)
    ]
    assert {step for step, _ in found} == {3, 4, 6, 8}
    assert max(loss for _, loss in found) < 1e3


def test_train_on_batch_takes_x1_or_a_pair():
    model = compiled()
    assert model.train_on_batch(points(8), return_dict=True).keys() == {"loss", "gradient_norm"}
    model.train_on_batch(points(8), points(8, center=0.0))
    assert model.step == 2


class Own(keras.Model):
    """A subclassed network."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def call(self, inputs, training=False):
        x, alpha = inputs
        return self.dense(x) * alpha[:, None]


def test_a_subclassed_network_trains_samples_and_is_saved(tmp_path):
    network = Own()
    network([tf.zeros([1, 2]), tf.zeros([1])])
    model = IADBModel(network, rank=2, training=Training(**AVERAGE), sampling=Sampling(nb_step=2))
    model.compile(optimizer="adam")
    model.fit(points(), verbose=0)
    model.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    x0 = points(4)
    np.testing.assert_array_equal(loaded.predict(x0, verbose=0), model.predict(x0, verbose=0))


def test_a_network_without_weights_has_no_average():
    with pytest.raises(ValueError, match="the network has no weights yet: call it once"):
        IADBModel(Own(), rank=2, training=Training(**AVERAGE))


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_images_of_other_precision_are_trained_on_and_measured(used, dtype):
    batches = tf.data.Dataset.from_tensor_slices(points(64).astype(dtype)).batch(16)
    assert np.isfinite(used.fit(batches, verbose=0).history["loss"]).all()
    assert np.isfinite(used.evaluate(batches, verbose=0))


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("mixed_precision")
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_network_whose_output_has_half_the_bits_can_be_used(method):
    network = Own()
    assert network([tf.zeros([1, 2]), tf.zeros([1])]).dtype == "bfloat16"
    model = IADBModel(network, rank=2, sampling=Sampling(nb_step=2))
    model.compile(optimizer="adam")
    found = getattr(model, method)(points(64), verbose=0)
    found = found.history["loss"] if method == "fit" else found
    assert np.isfinite(found).all()


class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that cannot be saved."""

    def __call__(self, step):
        return 1e-2


def test_an_optimizer_that_cannot_be_saved_trains():
    model = make()
    model.compile(optimizer=keras.optimizers.Adam(OwnSchedule()))
    assert len(model.fit(points(), verbose=0).history["loss"]) == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([points(8), points(8)], "pass pairs as fit.x0, x1."),
        (np.zeros((8, 2), np.uint8), "x1 has values of uint8; scale images"),
        ({"x0": np.zeros((8, 2), np.uint8), "x1": points(8)}, "x0 has values of uint8; scale"),
        ({"x0": points(8)[:, :1], "x1": points(8)}, r"x0 has the shape .* 1\), but x1 has .* 2\)"),
        (np.zeros((8, 2, 3), np.float32), "needs batches with 2 axes"),
        ({"x1": points(8), "label": np.zeros(8)}, "nb_class=0 needs batches of x1"),
        ({"x1": points(8), "alpha": np.zeros(8, int)}, "alpha has values of int64; pass it as fl"),
        ({"x1": points(8), "alpha": np.zeros([8, 1])}, "alpha is one number for each image"),
        ({"x1": points(8), "mirrored": np.zeros(8)}, "a batch has mirrored; its keys are x0, x1, "),
    ],
)
def test_a_batch_of_another_kind_is_rejected(data, error):
    with pytest.raises(ValueError, match=error):
        compiled().fit(data, verbose=0)


@pytest.mark.parametrize(
    ("label", "error"),
    [
        (np.full(8, 0.7), "labels are whole numbers from 0 to 3, got float64: cast them"),
        (np.zeros((8, 1), np.int64), r"labels have shape \(8, 1\) for 8 rows: pass one for each"),
    ],
)
def test_labels_are_whole_numbers_one_for_each_image(label, error):
    model = IADBModel(build_mlp(2, width=16, depth=1), rank=2, nb_class=3)
    model.compile(optimizer="adam")
    with pytest.raises(ValueError, match=error):
        model.train_on_batch({"x1": points(8), "label": label})


def test_an_unknown_solver_is_named():
    with pytest.raises(ValueError, match="solver 'eular' is unknown; choose from euler, "):
        make(solver="eular")


class Narrow(keras.Model):
    """Returns one value for each point, whatever its dimensions."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs[0])


def test_a_network_that_returns_another_shape_is_rejected():
    network = Narrow()
    network([tf.zeros([1, 2]), tf.zeros([1])])
    model = IADBModel(network, rank=2)
    model.compile(optimizer="adam")
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"the network returns .*1\) for x_alpha of .*2\)"):
            method(points(8), verbose=0)


class Wrapping(keras.Model):
    """Has weights before it is called."""

    def __init__(self):
        super().__init__()
        self.inner = build_mlp(2, width=16, depth=1)

    def call(self, inputs):
        return self.inner(inputs)


def test_a_network_that_has_weights_trains_without_a_call_before():
    model = IADBModel(Wrapping(), rank=2)
    model.compile(optimizer="adam")
    assert len(model.fit(points(8), verbose=0).history["loss"]) == 1


@pytest.mark.parametrize("data", [points(8).astype(np.float64), (points(8), points(8))])
def test_steps_that_are_run_eagerly_take_arrays(data):
    model = make()
    model.compile(optimizer="adam", run_eagerly=True)
    given = data if isinstance(data, tuple) else (data,)
    assert np.isfinite(model.train_on_batch(*given)).all()
    assert np.isfinite(model.test_on_batch(*given)).all()


LOAD = """
import sys
import keras, numpy as np
import trainer.iadb
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.ones([3, 2], np.float32), verbose=0))
model.fit(np.ones([8, 2], np.float32), verbose=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [ConvolutionalMuon, FusedAdam])
def test_a_saved_model_is_loaded_by_a_process_that_imports_nothing_else(tmp_path, optimizer):
    model = make()
    model.compile(optimizer=optimizer(1e-3))
    model.fit(points(64), verbose=0)
    model.save(tmp_path / "model.keras")
    paths = [str(tmp_path / name) for name in ("model.keras", "samples.npy")]
    subprocess.run([sys.executable, "-c", LOAD, *paths], check=True)
    expected = model.predict(np.ones([3, 2], np.float32), verbose=0)
    np.testing.assert_allclose(np.load(paths[1]), expected, atol=1e-6)


def test_losses_that_the_network_adds_are_minimized():
    sizes = []
    for weight in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        x, alpha = keras.Input((2,)), keras.Input(())
        decay = keras.regularizers.L2(weight)
        given = keras.layers.Concatenate()([x, keras.layers.Reshape((1,))(alpha)])
        out = keras.layers.Dense(2, kernel_regularizer=decay)(given)
        model = IADBModel(keras.Model([x, alpha], out), rank=2)
        model.compile(optimizer=keras.optimizers.SGD(0.01))
        model.fit(points(64), epochs=5, verbose=0)
        sizes.append(float(np.abs(model.network.get_weights()[0]).sum()))
    assert sizes[1] < sizes[0] / 2


def test_how_samples_are_drawn_may_be_set_between_two_calls():
    model, x0 = compiled(), np.ones([3, 2], np.float32)
    coarse = model.predict(x0, verbose=0)
    model.sampling = replace(model.sampling, nb_step=1)
    assert np.abs(model.predict(x0, verbose=0) - coarse).max() > 1e-4
    euler = model.transport(x0, 2)
    model.sampling = Sampling("midpoint")
    np.testing.assert_array_equal(model.transport(x0, 2), make(solver="midpoint").transport(x0, 2))
    assert np.abs(model.transport(x0, 2) - euler).max() > 1e-4


def test_the_loss_of_an_epoch_is_that_of_its_images_whatever_the_size_of_the_last_batch():
    model, losses = compiled(), []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
    )
    found = model.fit(points(65), batch_size=64, verbose=0, callbacks=[keep]).history["loss"]
    assert found == [pytest.approx((64 * losses[0] + losses[1]) / 65, rel=1e-5)]


def test_a_saved_model_keeps_the_policy_by_which_its_loss_is_scaled(tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = IADBModel(build_mlp(2, width=16, depth=1), rank=2)
        model.compile(optimizer="adam")
        model.fit(points(64), verbose=0)
        model.save(tmp_path / "mixed.keras")
    finally:
        keras.config.set_dtype_policy(policy)
    loaded = keras.saving.load_model(tmp_path / "mixed.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)
    pairs = zip(loaded.optimizer.variables, model.optimizer.variables, strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_samples_have_gradients(rows, solver):
    model = IADBModel(build_mlp(2), rank=2, sampling=Sampling(solver))
    x0 = tf.constant(points(rows))
    with tf.GradientTape() as tape:
        tape.watch(x0)
        x1 = model.transport(x0, 8)
    gradient = tape.gradient(x1, x0)
    assert gradient.shape == [rows, 2]
    assert np.all(np.isfinite(gradient)) and np.all(np.any(gradient != 0, axis=1))


def test_an_average_takes_over_weights_that_are_no_fractions():
    normal = keras.layers.Normalization()
    normal.adapt(points(64))
    x, alpha = keras.Input((2,)), keras.Input(())
    out = keras.layers.Dense(2)(normal(x))
    network = keras.Model([x, alpha], out)
    model = IADBModel(network, rank=2, training=Training(**AVERAGE))
    next(weight for weight in network.weights if weight.name == "count").assign(7)
    model.compile(optimizer="sgd")
    model.fit(points(64), verbose=0)
    for average, weight in zip(model.ema_network.weights, network.weights, strict=True):
        if not weight.trainable:
            np.testing.assert_array_equal(average, weight)


@pytest.mark.parametrize("name", ["Normalization", "Discretization"])
def test_an_average_and_a_guide_compute_as_the_network_that_they_are_made_of(name):
    options = {"num_bins": 4} if name == "Discretization" else {}
    adapted = getattr(keras.layers, name)(**options)
    adapted.adapt(100 + 10 * points(64))
    x, alpha = keras.Input((2,)), keras.Input(())
    network = keras.Model([x, alpha], keras.layers.Dense(2)(keras.Sequential([adapted])(x)))
    inputs = [100 + 10 * points(4), np.zeros(4, "float32")]
    for copy in (ExponentialMovingAverage(network, 500, 0.05), GuidingNetwork(network, 1)):
        np.testing.assert_allclose(copy.network(inputs), network(inputs), rtol=1e-6)


def test_points_are_at_the_steps_of_the_model_when_keras_runs_several_at_once(tmp_path):
    model = make()
    model.compile(optimizer="sgd", steps_per_execution=4)
    board = without_grids(tmp_path, log_every=6)
    for end in (20, 40):  # also in a second training; the last of three executions has two steps
        model.fit(points(80), batch_size=8, epochs=2, verbose=0, callbacks=[board])
        assert board.step == int(model.step) == end
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    steps = [event.step for event in events.Tensors("loss")]
    assert steps == [8, 10, 14, 18, 20, 24, 30, 38, 40]
