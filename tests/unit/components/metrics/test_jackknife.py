"""Values without a group of samples; a worsening is proven only when seeds do not explain it."""

import numpy as np
import pytest

from components.metrics import CATALOG
from components.metrics.arrays import MetricError
from components.metrics.jackknife import leave_out, worsening


def features(seed, count=300, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).standard_normal((count, 8)) * scale + shift


def test_each_group_is_every_tenth_sample():
    metric = CATALOG["kid"]
    real, samples = features(0), features(1, count=43)
    found = leave_out(metric, real, samples)
    assert found.whole == metric.function(real, samples)
    kept = [[row for row in range(43) if row % 10 != group] for group in range(10)]
    assert found.without == [metric.function(real, samples[rows]) for rows in kept]


def test_too_few_samples_without_a_group_are_told():
    array = np.random.default_rng(5).standard_normal((50, 16))
    with pytest.raises(MetricError, match=r"^31 images are too few"):
        leave_out(CATALOG["frechet_distance"], array, array[:31])
    with pytest.raises(MetricError, match=r"^without one of 10 groups of the samples: 31 images"):
        leave_out(CATALOG["frechet_distance"], array, array[:35])
    assert len(leave_out(CATALOG["frechet_distance"], array, array[:36]).without) == 10


@pytest.mark.parametrize("name", list(CATALOG))
def test_a_model_is_not_worse_than_itself(name):
    samples = features(1, shift=6)  # power, as of a spectrum, is not negative
    found = worsening(CATALOG[name], features(0, shift=6), samples, samples.copy())
    assert found == (0, 0)
    assert found.proven == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kid", "frechet_distance"])
def test_equal_models_are_hardly_ever_worse(name):
    proven = [
        worsening(CATALOG[name], features(3 * i), features(3 * i + 1), features(3 * i + 2)).proven
        for i in range(40)
    ]
    assert sum(value > 0 for value in proven) <= 3  # of 40, 0.4 are expected


@pytest.mark.parametrize("name", ["kid", "frechet_distance", "precision", "coverage"])
def test_a_clearly_worse_model_is_always_found(name):
    for i in range(10):
        noise = features(3 * i + 1)
        found = worsening(CATALOG[name], features(3 * i), noise * 1.6 + 0.5, noise)
        assert found.difference > found.proven > 0
        back = worsening(CATALOG[name], features(3 * i), noise, noise * 1.6 + 0.5)
        assert back.difference == -found.difference
        assert back.proven < 0


def test_the_margin_shrinks_when_both_models_share_their_noise():
    real, noise = features(0), features(1)
    paired = worsening(CATALOG["kid"], real, noise + 0.1, noise)
    alone = worsening(CATALOG["kid"], real, noise + 0.1, features(2))
    assert paired.margin < alone.margin * 2 / 3


def test_the_margin_is_the_spread_over_draws_of_seeds():
    real = features(0, count=2000)
    metric = CATALOG["frechet_distance"]
    found = [
        worsening(metric, real, features(2 * i + 1, shift=0.3), features(2 * i + 2))
        for i in range(60)
    ]
    spread = np.std([one.difference for one in found])
    quantile = 2.821  # of Student's t with 9 degrees of freedom, at 0.99
    assert np.mean([one.margin for one in found]) == pytest.approx(quantile * spread, rel=0.3)


def test_rejects_samples_that_cannot_be_paired():
    with pytest.raises(MetricError, match="300 samples cannot be paired with the baseline's 200"):
        worsening(CATALOG["kid"], features(0), features(1), features(2, count=200))
    with pytest.raises(MetricError, match="19 samples are too few for a spread: 20 are needed"):
        worsening(CATALOG["kid"], features(0), features(1, count=19), features(2, count=19))
