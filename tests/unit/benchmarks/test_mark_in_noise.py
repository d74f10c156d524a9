"""The mark in x0: what is set is found again, and other noise is not taken for it."""

import numpy as np
import pytest

from benchmarks import mark_in_noise
from benchmarks.mark_in_noise import (
    TREATMENTS,
    UNTOUCHED,
    VARIANTS,
    Tried,
    distances,
    draw_key,
    mark,
    mask,
    share_of_known_seeds,
    try_variant,
)
from trainer.light.noise import noise_from_seeds
from trainer.light.sampler import to_uint8

SHAPE = (8, 8, 1)


class Scaled:
    """A model whose images are the noise itself, scaled and rounded."""

    shape = SHAPE

    def noise(self, count, *, seed):
        return noise_from_seeds(np.arange(seed, seed + count), SHAPE)

    def transport(self, x0):
        return to_uint8(x0 / 4)

    def invert(self, images):
        return (images / np.float32(127.5) - 1) * 4


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_marked_noise_is_real_and_has_the_coefficients_of_the_key(variant):
    where, key = mask(SHAPE, variant), draw_key(SHAPE, variant, seed=1)
    x0 = Scaled().noise(100, seed=0)
    marked = mark(x0, where, key)
    assert marked.dtype == np.float32
    np.testing.assert_allclose(distances(marked, where, key), 0, atol=1e-4)
    assert distances(x0, where, key).min() > 1
    np.testing.assert_allclose(np.fft.fft2(marked - x0, axes=(1, 2))[:, ~where], 0, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_keys_differ_and_are_as_strong_as_noise(variant):
    where = mask(SHAPE, variant)
    keys = np.stack([draw_key(SHAPE, variant, seed)[where] for seed in range(400)])
    assert np.mean(np.abs(keys) ** 2) == pytest.approx(64, rel=0.2)
    assert not np.allclose(keys[0], keys[1])


@pytest.mark.parametrize("marked", [True, False])
def test_nearly_all_marked_noise_is_found_and_one_in_a_hundred_others(monkeypatch, marked):
    if not marked:
        monkeypatch.setattr(mark_in_noise, "mark", lambda x0, where, key: x0)
    model = Scaled()
    unmarked = model.transport(model.noise(1000, seed=0))
    real = np.random.default_rng(0).normal(size=(300, 64))
    inverted = {name: [model.invert(treat(unmarked))] for name, treat in TREATMENTS.items()}
    tried = try_variant(model, VARIANTS[0], real, inverted)
    expected = 1 if marked else 0.01
    assert np.mean(tried.found[UNTOUCHED]) == pytest.approx(expected, abs=0.01)
    assert len(tried.kids) == len(tried.found[UNTOUCHED])


def test_a_variant_that_is_found_often_enough_reaches_the_bar():
    found = {name: [0.85, 0.97] for name in TREATMENTS}
    reached = {
        f.name: f.reached for f in mark_in_noise._figures_of(VARIANTS[0], Tried(found, [0, 1]))
    }
    assert [value for name, value in reached.items() if UNTOUCHED in name] == [True]
    assert sum(value is not None for value in reached.values()) == 1


def test_an_image_is_found_by_the_noise_of_its_seed_if_that_is_known():
    model = Scaled()
    x0 = model.invert(model.transport(model.noise(200, seed=0)))
    other = np.random.default_rng(0).normal(size=(300, *SHAPE))
    assert share_of_known_seeds(other, x0, count=1000) > 0.99
    assert share_of_known_seeds(other, other[:200], count=1000) < 0.1
