"""ConvolutionalMuon: which variables it moves how, and by how much."""

import keras
import numpy as np
import pytest

from trainer.step.muon import UPDATE_SIZE, ConvolutionalMuon

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
    # One direction of the gradient is a hundred times as strong as the others.
    gradient = draw(shape)
    gradient[..., 0] *= 100.0
    moved = step(ConvolutionalMuon(RATE), "kernel", shape, gradient)
    matrix = moved.reshape(-1, shape[-1])
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert singular.min() > 0.3 * singular.max()
    assert np.vdot(moved, gradient) < 0


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
    np.testing.assert_allclose(moved, step(keras.optimizers.Adam(RATE), name, shape, gradient))


@pytest.mark.parametrize("shape", [(288, 32), (16, 144), (32, 32)])
def test_a_matrix_is_made_orthogonal_as_by_keras(shape):
    matrix = keras.ops.convert_to_tensor(draw(shape))
    ours = ConvolutionalMuon().zeropower_via_newtonschulz5(matrix, 5)
    theirs = keras.optimizers.Muon().zeropower_via_newtonschulz5(matrix, 5)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


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
