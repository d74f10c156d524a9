"""Samples that are guided by the network as it was early in its training."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.iadb import IADBModel, Sampling, Training
from trainer.networks.mlp import build_mlp
from trainer.ode.guidance import Guidance

AFTER, STEPS = 3, 8
X0 = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)


def make(autoguidance=2.5, average=True, interval=(0.0, 1.0)):
    keras.utils.set_random_seed(0)
    network = build_mlp(dim=2, width=8)
    model = IADBModel(
        network,
        rank=2,
        training=Training(half_life=100 if average else 0, guide_after=AFTER),
        sampling=Sampling(nb_step=4, guidance=Guidance(auto=autoguidance, interval=interval)),
    )
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    return model


def fit(model, steps, **compiled):
    if compiled:
        model.compile(optimizer=keras.optimizers.Adam(1e-2), **compiled)
    batch = 3 + np.random.default_rng(1).normal(size=(64, 2)).astype(np.float32)
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=steps, verbose=0)
    return model


@functools.cache
def trained(**how):
    """A model after all steps, for reading alone; to trace a step takes seconds.

    However it draws, it was trained as any other.
    """
    model = make(**how)
    if not how:
        return fit(model, STEPS)
    for copy, original in zip(networks(model), networks(trained()), strict=True):
        copy.set_weights(original.get_weights())
    model.guide.ready.assign(trained().guide.ready)
    return model


def networks(model):
    return model.network, model.ema_network, model.guide.network


def one_step(model):
    """What a single Euler step adds to x0: the field at alpha = 0."""
    return model.transport(X0, 1).numpy() - X0


@pytest.mark.parametrize("average", [False, True])
def test_the_network_draws_alone_until_the_early_step_and_away_from_that_of_it_later(average):
    inputs = [X0, np.zeros(5, np.float32)]
    model = fit(make(average=average), AFTER - 1)
    np.testing.assert_allclose(one_step(model), model.sampling_network(inputs), atol=1e-6)
    fit(model, 1)
    d_early = model.sampling_network(inputs).numpy()
    d = fit(model, STEPS - AFTER).sampling_network(inputs).numpy()
    assert np.abs(d - d_early).max() > 0.01
    np.testing.assert_allclose(one_step(model), d_early + 2.5 * (d - d_early), atol=1e-5)


@pytest.mark.slow
def test_outside_of_its_interval_there_is_no_autoguidance():
    everywhere, late, alone = (
        trained(**how) for how in ({}, {"interval": (0.5, 1.0)}, {"autoguidance": 1.0})
    )
    np.testing.assert_allclose(one_step(late), one_step(alone), atol=1e-6)  # at alpha = 0
    middle, *_ = np.diff(late.sample_iadb(X0, 2)[1], axis=0)[1:]  # at alpha = 0.5
    halfway = X0 + one_step(alone) / 2
    slopes = [model.field()(halfway, np.full(5, 0.5, np.float32)) for model in (everywhere, alone)]
    np.testing.assert_allclose(2 * middle, slopes[0], atol=1e-5)
    assert np.abs(slopes[0] - slopes[1]).max() > 0.01


def test_the_loss_is_that_of_the_network_alone():
    guided, alone = trained(), trained(autoguidance=1.0)
    data = tf.data.Dataset.from_tensors(X0 + 3)
    assert guided.evaluate(data, verbose=0) == alone.evaluate(data, verbose=0)


def test_a_saved_model_has_its_guide_and_the_interval(tmp_path):
    model = trained(interval=(0.5, 1.0))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(restored.predict(X0, verbose=0), model.predict(X0, verbose=0))


@pytest.mark.parametrize("how", [{"steps_per_execution": 4}, {"run_eagerly": True}])
def test_the_guide_is_the_same_however_steps_are_run(how):
    alone, other = trained(), fit(make(), STEPS, **how)
    for expected, found in zip(
        alone.guide.network.get_weights(), other.guide.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_a_compiled_step_keeps_a_guide():
    model = fit(make(), STEPS, jit_compile=True)
    assert model.guide.is_ready
    guide, last = model.guide.network.get_weights(), model.sampling_network.get_weights()
    assert any(np.any(a != b) for a, b in zip(guide, last, strict=True))
