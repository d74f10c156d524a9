"""Values without a group of samples are those of the metric, computed again."""

import numpy as np
import pytest

from components.metrics import CATALOG
from components.metrics.arrays import MetricError
from components.metrics.jackknife.leave_out import GROUPS, groups_of, leave_out

FAST = [name for name, metric in CATALOG.items() if metric.left_out]


def features(seed, count, shift=0.0, dtype=np.float64):
    return (np.random.default_rng(seed).standard_normal((count, 6)) + shift).astype(dtype)


def test_the_groups_part_the_samples_evenly():
    groups = groups_of(43)
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(43))
    assert [len(rows) for rows in groups] == [5, 5, 5, 4, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("count", [20, 43, 600])
@pytest.mark.parametrize("shift", [0, 0.7])
def test_values_computed_together_are_those_computed_one_by_one(name, count, shift):
    real, generated = features(0, 530), features(1, count, shift)
    metric = CATALOG[name]
    found = leave_out(metric, real, generated)
    alone = leave_out(metric._replace(left_out=None), real, generated)
    assert found.whole == pytest.approx(alone.whole, rel=1e-9, abs=1e-12)
    assert found.without == pytest.approx(alone.without, rel=1e-9, abs=1e-12)
    assert len(found.without) == GROUPS


@pytest.mark.parametrize("name", FAST)
def test_features_in_single_precision_agree_as_well(name):
    real, generated = features(0, 300, 3, np.float32), features(1, 300, 3.2, np.float32)
    metric = CATALOG[name]
    found = leave_out(metric, real, generated)
    alone = leave_out(metric._replace(left_out=None), real, generated)
    assert found.without == pytest.approx(alone.without, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", FAST)
def test_samples_that_fill_few_dimensions_are_measured(name):
    real, generated = features(0, 100), np.tile(features(1, 20), (5, 1))
    generated[:, 3:] = 0
    metric = CATALOG[name]
    found = leave_out(metric, real, generated)
    alone = leave_out(metric._replace(left_out=None), real, generated)
    assert found.without == pytest.approx(alone.without, rel=1e-6, abs=1e-9)


def test_an_error_names_the_number_of_all_samples():
    with pytest.raises(MetricError, match=r"^35 images are too few .*at least 36 are needed$"):
        leave_out(CATALOG["frechet_distance"], np.ones((50, 16)), np.ones((35, 16)))


@pytest.mark.parametrize("name", CATALOG)
def test_there_must_be_two_samples_per_group(name):
    with pytest.raises(MetricError, match="19 samples are too few for a spread: 20 are needed"):
        leave_out(CATALOG[name], features(0, 50), features(1, 19))
