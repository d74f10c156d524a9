"""FusedAdam: that it moves variables as Keras's Adam does."""

import keras
import numpy as np
import pytest

from trainer.optimizers.adam import FusedAdam

SHAPES = [(3, 3, 4, 8), (8,), ()]


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        {"global_clipnorm": 1.0},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_variables_move_as_by_keras(kwargs):
    generator = np.random.default_rng(0)
    start = [generator.normal(size=shape).astype("float32") for shape in SHAPES]
    ours, theirs = ([keras.Variable(value) for value in start] for _ in range(2))
    optimizers = FusedAdam(1e-2, **kwargs), keras.optimizers.Adam(1e-2, **kwargs)
    for _ in range(6):
        gradients = [generator.normal(size=shape).astype("float32") for shape in SHAPES]
        for optimizer, variables in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply([keras.ops.convert_to_tensor(each) for each in gradients], variables)
    for value, our, their in zip(start, ours, theirs, strict=True):
        assert np.abs(our.numpy() - value).max() > 1e-3
        np.testing.assert_allclose(our, their, atol=1e-6)


def test_a_saved_optimizer_is_read_again_as_it_was():
    optimizer = FusedAdam(1e-2, beta_1=0.8)
    config = keras.saving.serialize_keras_object(optimizer)
    read = keras.saving.deserialize_keras_object(config)
    assert isinstance(read, FusedAdam)
    assert read.get_config() == optimizer.get_config()
