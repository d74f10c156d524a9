import keras
import numpy as np
import pytest

from trainer.networks.step_length import StepLength, take_steps, widened
from trainer.networks.unet import build_unet
from trainer.options import ModelOptions
from trainer.serving.exported_network import in_float32
from trainer.step.copies import frozen_copy

GRID = (0.0, 0.2, 0.6, 1.0)
SMALL = ModelOptions(channels=(8, 16), attention=(False, False), blocks=1, norm_groups=4)
RANDOM = np.random.default_rng(0)


def states(count=4, channels=3):
    return RANDOM.normal(size=(count, 8, 8, channels)).astype(np.float32)


def test_the_length_is_that_of_the_nearest_step():
    alpha = np.float32([0.0, 0.09, 0.11, 0.39, 0.41, 0.6, 1.0])
    seen = StepLength(GRID)(states(7), alpha)
    expected = [0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(seen[:, 3, 5, 3], expected, atol=1e-6)
    uneven = StepLength((0.0, 0.1, 1.0))(states(3), np.float32([0.0, 0.1, 0.9]))
    np.testing.assert_allclose(uneven[:, 0, 0, -1], [0.1, 0.9, 0.9], atol=1e-6)


def test_one_step_has_the_whole_length():
    seen = StepLength((0.0, 1.0))(states(2), np.float32([0.0, 0.7]))
    np.testing.assert_array_equal(seen[..., -1], np.ones((2, 8, 8), np.float32))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"patch": 2}, marks=pytest.mark.slow),
        pytest.param({"patch": 2, "prediction": "gaussian"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_widened_weights_are_blind_to_the_length_at_first(changes):
    options = SMALL.model_copy(update=changes)
    before = build_unet(options, (8, 8, 3), nb_class=2)
    network = build_unet(options, (8, 8, 3), nb_class=2, source_channels=1)
    network.set_weights(widened(before.get_weights(), network))
    inputs = [states(), np.float32([0.0, 0.3, 0.6, 1.0]), np.int64([0, 1, 2, 1])]
    after = take_steps(network, GRID)
    np.testing.assert_allclose(after(inputs), before(inputs), atol=1e-5)


@pytest.mark.slow
def test_a_network_that_takes_steps_shares_its_weights():
    network = build_unet(SMALL, (8, 8, 3), source_channels=1)
    steps = take_steps(network, GRID)
    alpha = np.float32([0.0, 0.2, 0.6, 0.6])
    x = states()
    lengths = np.broadcast_to(np.float32([0.2, 0.4, 0.4, 0.4])[:, None, None, None], (4, 8, 8, 1))
    for scale in (1.0, 2.0):
        network.set_weights([scale * weight for weight in network.get_weights()])
        expected = network([np.concatenate([x, lengths], -1), alpha])
        np.testing.assert_allclose(steps([x, alpha]), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_it_is_exported_in_float32_and_can_be_cloned():
    mixed = build_unet(SMALL, (8, 8, 3), "bfloat16", source_channels=1)
    steps = take_steps(frozen_copy(mixed, "average"), GRID)
    exported = in_float32(steps)
    policies = {layer.dtype_policy.name for layer in exported._flatten_layers()}
    assert policies == {"float32"}
    inputs = [states(), np.float32([0.0, 0.2, 0.6, 1.0])]
    np.testing.assert_allclose(exported(inputs), steps(inputs), atol=0.1)
    twin = keras.models.clone_model(exported)
    twin.set_weights(exported.get_weights())
    np.testing.assert_array_equal(twin(inputs), exported(inputs))
