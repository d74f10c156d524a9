"""ConvolutionalMuon: which variables it moves how, and by how much."""

import keras
import numpy as np
import pytest

from trainer.build import build_model
from trainer.ode.options import SampleOptions
from trainer.optimizers import muon
from trainer.optimizers.adam import FusedAdam
from trainer.optimizers.muon import UPDATE_SIZE, ConvolutionalMuon
from trainer.options import ModelOptions, TrainOptions

RATE = 1e-2


def step(
    optimizer: keras.optimizers.Optimizer, name: str, shape: tuple[int, ...], gradient: np.ndarray
) -> np.ndarray:
    """Returns by how much one step moves a variable."""
    variable = keras.Variable(np.zeros(shape, "float32"), name=name)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return variable.numpy()


def draw(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (1, 1, 16, 4), (24, 12)])
def test_matrices_and_kernels_move_alike_in_all_directions_of_the_gradient(shape):
    # One direction of the gradient is a hundred times as strong as the others, whose signs it sets.
    gradient = draw(shape) + 100.0
    moved = step(ConvolutionalMuon(RATE), "kernel", shape, gradient)
    matrix = moved.reshape(-1, shape[-1])
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert singular.min() > 0.3 * singular.max()
    assert np.vdot(moved, gradient) < 0
    by_adam = step(keras.optimizers.Adam(RATE), "kernel", shape, gradient).reshape(matrix.shape)
    assert np.linalg.svd(by_adam, compute_uv=False)[1] < 0.1 * np.linalg.norm(by_adam)


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (3, 3, 32, 8), (24, 48)])
def test_an_update_is_as_large_as_the_learning_rate_says(shape):
    moved = step(ConvolutionalMuon(RATE), "kernel", shape, draw(shape))
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(UPDATE_SIZE * RATE, rel=0.2)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("bias", (8,)), ("conv_out", (3, 3, 8, 3)), ("class_embedding", (10, 8)), ("scale", ())],
)
def test_vectors_embeddings_and_excluded_layers_move_as_by_adam(name, shape):
    gradient = draw(shape)
    moved = step(ConvolutionalMuon(RATE, exclude_layers=["conv_out"]), name, shape, gradient)
    np.testing.assert_allclose(moved, step(FusedAdam(RATE), name, shape, gradient))


def test_they_move_as_by_the_adam_of_keras_with_its_settings():
    shapes = {"bias": (8,), "conv_out": (3, 3, 8, 3), "class_embedding": (10, 8), "scale": ()}
    settings = {"adam_beta_1": 0.5, "adam_beta_2": 0.9, "adam_lr_ratio": 0.5}
    optimizer = ConvolutionalMuon(RATE, exclude_layers=["conv_out"], epsilon=1e-3, **settings)
    adam = keras.optimizers.Adam(0.5 * RATE, beta_1=0.5, beta_2=0.9, epsilon=1e-3)
    ours, theirs = (
        [keras.Variable(np.zeros(shape, "float32"), name=name) for name, shape in shapes.items()]
        for _ in range(2)
    )
    kernel = keras.Variable(np.zeros((8, 8), "float32"), name="kernel")
    generator = np.random.default_rng(0)
    for _ in range(4):
        drawn = [generator.normal(size=shape).astype("float32") for shape in shapes.values()]
        gradients = [keras.ops.convert_to_tensor(each) for each in drawn]
        adam.apply(gradients, theirs)
        optimizer.apply([keras.ops.ones((8, 8)), *gradients], [kernel, *ours])
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("grouped", [1, 144, 2**22])  # 144 weights are two of the three kernels
def test_kernels_that_move_together_move_as_each_alone(grouped, monkeypatch):
    monkeypatch.setattr(muon, "GROUPED", grouped)
    shapes = [(3, 3, 2, 4), (8, 4), (3, 3, 2, 4), (4,), (3, 3, 2, 4), (8, 4)]
    together = ConvolutionalMuon(RATE)
    variables, alone = (
        [keras.Variable(np.zeros(shape, "float32")) for shape in shapes] for _ in range(2)
    )
    optimizers = [ConvolutionalMuon(RATE) for _ in shapes]
    generator = np.random.default_rng(0)
    for _ in range(3):
        drawn = [generator.normal(size=shape).astype("float32") for shape in shapes]
        gradients = [keras.ops.convert_to_tensor(each) for each in drawn]
        together.apply(gradients, variables)
        for optimizer, gradient, variable in zip(optimizers, gradients, alone, strict=True):
            optimizer.apply([gradient], [variable])
    for variable, expected in zip(variables, alone, strict=True):
        np.testing.assert_allclose(variable, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(288, 32), (16, 144), (32, 32)])
def test_a_matrix_is_made_orthogonal_as_by_keras(shape):
    matrix = keras.ops.convert_to_tensor(draw(shape))
    ours = ConvolutionalMuon().orthogonalize(matrix[None])[0]
    theirs = keras.optimizers.Muon().zeropower_via_newtonschulz5(matrix, 5)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-4), ("bfloat16", 0.3)])
def test_a_nearly_singular_matrix_is_made_orthogonal_with_rounded_products(dtype, error):
    """The tensor cores of a GPU round float32 as well, though less than bfloat16."""
    generator = np.random.default_rng(0)
    left, _ = np.linalg.qr(generator.normal(size=(32, 32)))
    right, _ = np.linalg.qr(generator.normal(size=(288, 32)))
    matrix = (left / np.arange(1, 33) ** 2) @ right.T
    expected = keras.optimizers.Muon().zeropower_via_newtonschulz5(
        keras.ops.convert_to_tensor(matrix, "float32"), 5
    )
    found = ConvolutionalMuon().orthogonalize(keras.ops.convert_to_tensor([matrix], dtype))[0]
    difference = keras.ops.cast(found, "float32") - expected
    assert keras.ops.norm(difference) < error * keras.ops.norm(expected)


@pytest.mark.slow
@pytest.mark.parametrize(("prediction", "patch"), [("gaussian", 1), ("difference", 2)])
def test_adam_moves_the_first_and_the_last_layer_of_the_network_embeddings_and_vectors(
    prediction, patch
):
    options = ModelOptions(
        channels=(8,),
        attention=(True,),
        blocks=1,
        norm_groups=4,
        patch=patch,
        prediction=prediction,
    )
    model = build_model(options, TrainOptions(), SampleOptions(), (8, 8, 1), nb_class=2)
    weights = model.network.trainable_variables
    model.optimizer.build(weights)
    velocities = model.optimizer.adam_velocities
    by_adam = {
        weight.path.rpartition("/")[0]
        for weight, velocity in zip(weights, velocities, strict=True)
        if velocity is not None and len(weight.shape) > 1
    }
    share = {"share"} if prediction == "difference" else set()  # of a network of patches
    assert by_adam == {"class_embedding", "conv_in", "conv_out", *share}
    assert all(v is not None for w, v in zip(weights, velocities, strict=True) if len(w.shape) == 1)


def test_nothing_decays_unless_asked_for():
    variable = keras.Variable(draw((8, 8)), name="kernel")
    before = variable.numpy()
    optimizer = ConvolutionalMuon(RATE)
    optimizer.build([variable])
    optimizer.apply([keras.ops.zeros((8, 8))], [variable])
    np.testing.assert_array_equal(variable.numpy(), before)


def test_a_saved_optimizer_is_read_again_as_it_was():
    optimizer = ConvolutionalMuon(RATE, exclude_layers=["conv_in"], rms_rate=0.3, momentum=0.9)
    config = keras.saving.serialize_keras_object(optimizer)
    read = keras.saving.deserialize_keras_object(config)
    assert isinstance(read, ConvolutionalMuon)
    assert read.get_config() == optimizer.get_config()
