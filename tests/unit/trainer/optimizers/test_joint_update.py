"""What optimizers that move all variables at once refuse, and that graphs move as Python does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.optimizers.adam import FusedAdam
from trainer.optimizers.muon import ConvolutionalMuon

OPTIMIZERS = [FusedAdam, ConvolutionalMuon]
SHAPES = [(3, 3, 2, 4), (4,), (3, 3, 2, 4)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_variables_of_other_types_are_refused(optimizer, dtype):
    with pytest.raises(ValueError, match=f"moves variables of float32, not of {dtype}"):
        optimizer().build([keras.Variable(np.zeros((4, 4)), dtype=dtype)])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_version_of_keras_that_moves_variables_one_by_one_is_refused(optimizer):
    with pytest.raises(RuntimeError, match=r"install its version of requirements\.lock"):
        optimizer().update_step(tf.zeros(3), keras.Variable(np.zeros(3)), tf.constant(0.1))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_rows_of_an_embedding_that_have_a_gradient_move(optimizer):
    variable = keras.Variable(np.zeros((4, 2), "float32"), name="embedding")
    gradient = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([2]), tf.constant([4, 2]))
    moved = optimizer(1e-2)
    moved.apply([gradient], [variable])
    assert np.all(np.abs(variable.numpy()[2]) > 1e-3)
    assert not np.any(variable.numpy()[[0, 1, 3]])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_compiled_graph_moves_variables_as_python_does(optimizer, wrapped):
    generator = np.random.default_rng(0)
    steps = [[generator.normal(size=shape) for shape in SHAPES] for _ in range(3)]
    found = []
    for compiled in (None, False, True):
        variables = [keras.Variable(np.zeros(shape, "float32")) for shape in SHAPES]
        moving = optimizer(1e-2)
        moving = keras.optimizers.LossScaleOptimizer(moving) if wrapped else moving
        moving.build(variables)
        apply = moving.apply
        if compiled is not None:
            apply = tf.function(lambda *g, moving=moving: moving.apply(g), jit_compile=compiled)
        for gradients in steps:
            given = [tf.constant(each, tf.float32) * 2.0**15 for each in gradients]
            apply(given) if compiled is None else apply(*given)
        found.append([variable.numpy() for variable in variables])
    for one, graph, by_xla in zip(*found, strict=True):
        assert np.abs(one).max() > 1e-3
        np.testing.assert_allclose(graph, one, atol=1e-5)
        np.testing.assert_allclose(by_xla, one, atol=1e-5)
