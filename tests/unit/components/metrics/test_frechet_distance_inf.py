"""The extrapolated Frechet distance: exact for a line, unbiased where the plain one is not."""

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.frechet_distance import frechet_distance
from components.metrics.frechet_distance_inf import frechet_distance_inf

D = 8


def gaussians(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, D)), rng.standard_normal((n, D)) + shift


def test_is_zero_on_average_for_one_distribution_where_the_plain_distance_is_not():
    plain = [frechet_distance(*gaussians(seed, 200)) for seed in range(100)]
    extrapolated = [frechet_distance_inf(*gaussians(seed, 200)) for seed in range(100)]
    assert abs(np.mean(extrapolated)) < 0.1 * np.mean(plain)
    assert np.min(extrapolated) < 0 < np.max(extrapolated)


def test_approaches_the_distance_of_the_distributions():
    values = [frechet_distance_inf(*gaussians(seed, 500, shift=0.5)) for seed in range(20)]
    standard_error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(D * 0.5**2, abs=3 * standard_error)


def test_hardly_depends_on_the_number_of_images():
    few = np.mean([frechet_distance_inf(*gaussians(seed, 100, 0.5)) for seed in range(50)])
    many = frechet_distance_inf(*gaussians(99, 5000, 0.5))
    plain = np.mean([frechet_distance(*gaussians(seed, 100, 0.5)) for seed in range(50)])
    assert abs(few - many) < 0.3 * abs(plain - many)


def test_of_two_points_is_the_line_through_both():
    real, generated = gaussians(0, 4 * D)
    # All rows give the plain distance; the seed decides on the half of the other point.
    random = np.random.RandomState(3)
    half = [array[random.choice(4 * D, 2 * D, replace=False)] for array in (real, generated)]
    at_half, at_all = frechet_distance(*half), frechet_distance(real, generated)
    value = frechet_distance_inf(real, generated, points=2, seed=3)
    assert value == pytest.approx(2 * at_all - at_half, rel=1e-9)


def test_the_seed_decides_on_the_subsets():
    real, generated = gaussians(1, 100)
    first, again, other = (frechet_distance_inf(real, generated, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_takes_as_many_of_the_larger_array():
    real, _ = gaussians(2, 20_000)
    _, generated = gaussians(3, 400)
    assert abs(frechet_distance_inf(real, generated)) < 0.1


def test_rejects_too_few_images_for_a_line():
    real, generated = gaussians(4, 4 * D)
    assert np.isfinite(frechet_distance_inf(real, generated))
    with pytest.raises(MetricError, match=r"31 images are too few .* at least 32 are needed"):
        frechet_distance_inf(real, generated[1:])
