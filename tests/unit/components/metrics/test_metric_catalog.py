"""Properties that all metrics of the catalog share."""

import numpy as np
import pytest

from components.metrics import CATALOG
from components.metrics.arrays import MetricError

D = 4


def draw(seed, n=300):
    """Rows around 5: power, as of a spectrum, is not negative."""
    return np.random.default_rng(seed).standard_normal((n, D)) + 5


@pytest.mark.parametrize("name", CATALOG)
def test_a_shift_makes_it_worse_step_by_step(name):
    real, generated = draw(0), draw(1)
    metric = CATALOG[name]
    values = [metric.function(real, generated + shift) for shift in (0, 0.5, 1, 2)]
    assert values == sorted(values, reverse=metric.larger_is_better)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", CATALOG)
def test_the_order_of_rows_does_not_matter(name):
    rng = np.random.default_rng(3)
    real, generated = draw(4), draw(5, 250) + 0.5
    function = CATALOG[name].function
    value = function(rng.permutation(real), rng.permutation(generated))
    assert value == pytest.approx(function(real, generated), rel=1e-9)


@pytest.mark.parametrize("name", CATALOG)
def test_the_same_arrays_give_the_same_number(name):
    real, generated = draw(6), draw(7)
    assert CATALOG[name].function(real, generated) == CATALOG[name].function(real, generated)


@pytest.mark.parametrize("name", CATALOG)
def test_arrays_are_left_as_they_are(name):
    real, generated = draw(8), draw(9)
    CATALOG[name].function(real, generated)
    np.testing.assert_array_equal(real, draw(8))
    np.testing.assert_array_equal(generated, draw(9))


@pytest.mark.parametrize("name", CATALOG)
def test_a_constant_set_of_samples_has_a_value(name):
    real = draw(10)
    collapsed = np.repeat(real[:1], 300, axis=0)
    value = CATALOG[name].function(real, collapsed)
    assert np.isfinite(value)
    if name in ("recall", "coverage"):
        assert value < 0.1


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize(
    ("generated", "message"),
    [
        (np.full((50, D), np.nan), "generated features hold NaN or infinite values"),
        (np.full((50, D), np.inf), "generated features hold NaN or infinite values"),
        (np.ones((50, D + 1)), f"real features have {D} dimensions, generated ones {D + 1}"),
        (np.ones((0, D)), r"generated features have shape \(0, 4\): at least 2 rows"),
        (np.ones((1, D)), r"generated features have shape \(1, 4\): at least 2 rows"),
    ],
)
def test_arrays_that_cannot_be_compared_are_rejected(name, generated, message):
    with pytest.raises(MetricError, match=message):
        CATALOG[name].function(draw(12), generated)


@pytest.mark.parametrize("name", CATALOG)
def test_real_features_are_checked_as_well(name):
    with pytest.raises(MetricError, match="real features hold NaN"):
        CATALOG[name].function(np.full((50, D), np.nan), draw(12))
