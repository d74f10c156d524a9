"""The benchmark of the mark in x0: what is set is found again, and other noise is not."""

import numpy as np
import pytest

from benchmarks import mark_in_noise
from benchmarks.mark_in_noise import (
    TREATMENTS,
    UNTOUCHED,
    VARIANTS,
    Tried,
    share_of_known_seeds,
    try_variant,
)
from trainer.light.mark import Mark
from trainer.light.noise import noise_from_seeds
from trainer.light.sampler import to_uint8

SHAPE = (8, 8, 1)


class Scaled:
    """A model whose images are the noise itself, scaled and rounded."""

    def __init__(self, shape=SHAPE):
        self.shape = shape

    def noise(self, count, *, seed):
        return noise_from_seeds(np.arange(seed, seed + count), self.shape)

    def transport(self, x0):
        return to_uint8(x0 / 4)

    def invert(self, images):
        return (images / np.float32(127.5) - 1) * 4


@pytest.mark.parametrize("shape", [SHAPE, (8, 8, 3)])
@pytest.mark.parametrize("marked", [True, False])
def test_nearly_all_marked_noise_is_found_and_one_in_a_hundred_others(monkeypatch, marked, shape):
    if not marked:
        monkeypatch.setattr(Mark, "set_in", lambda mark, x0: x0)
    model = Scaled(shape)
    unmarked = model.transport(model.noise(1000, seed=0))
    real = np.random.default_rng(0).normal(size=(300, np.prod(shape)))
    inverted = {name: [model.invert(treat(unmarked))] for name, treat in TREATMENTS.items()}
    tried = try_variant(model, VARIANTS["to 2"], real, inverted)
    expected = 1 if marked else 0.01
    assert np.mean(tried.found[UNTOUCHED]) == pytest.approx(expected, abs=0.01)
    assert np.mean(tried.taken[UNTOUCHED]) == pytest.approx(0.01, abs=0.01)
    assert len(tried.kids) == len(tried.found[UNTOUCHED]) == len(tried.taken[UNTOUCHED])


def test_the_first_variant_is_what_models_set():
    assert Mark(key=1, **next(iter(VARIANTS.values()))) == Mark(key=1)


def test_a_variant_that_is_found_often_enough_reaches_the_bar():
    found = {name: [0.85, 0.97] for name in TREATMENTS}
    taken = {name: [0.01, 0.02] for name in TREATMENTS}
    reached = {
        f.name: f.reached for f in mark_in_noise._figures_of("to 2", Tried(found, taken, [0, 1]))
    }
    assert [v for name, v in reached.items() if f"{UNTOUCHED}: found" in name] == [True]
    assert sum(value is not None for value in reached.values()) == 1


def test_an_image_is_found_by_the_noise_of_its_seed_if_that_is_known():
    model = Scaled()
    x0 = model.invert(model.transport(model.noise(200, seed=0)))
    other = np.random.default_rng(0).normal(size=(300, *SHAPE))
    assert share_of_known_seeds(other, x0, count=1000) > 0.99
    assert share_of_known_seeds(other, other[:200], count=1000) < 0.1
