"""The calibration of the gate judges the images that it names, and counts the verdicts rightly."""

import numpy as np
import pytest

from benchmarks.gate import faults, table
from benchmarks.gate.faults import CASES
from benchmarks.gate.pictures import make_sets, split

SEED = 3


@pytest.fixture(scope="module")
def digits():
    return make_sets(None, None)["digits"]()


def test_the_sets_of_a_seed_share_no_image(digits):
    parts = split(digits, SEED)
    assert {len(parts.real), len(parts.aside), len(parts.other)} == {digits.held_out}
    rows = np.concatenate(parts)
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(digits.images)))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.sets])
def test_a_model_draws_as_many_images_as_are_held_out_and_none_of_these(digits, name):
    case = CASES[name]
    parts = split(digits, SEED)
    drawn = case.parts(digits, parts, SEED)
    assert sum(len(rows) for _, rows in drawn) == digits.held_out
    for variant, rows in drawn:
        images = faults.draw(variant, digits.images, rows)
        assert (images.dtype, images.shape) == (np.uint8, (len(rows), *digits.images.shape[1:]))
        if variant == "mean":
            rows = faults.pairs(len(digits.images))[rows]
            assert np.isin(rows, parts.train).all()
        assert not np.isin(rows, parts.real).any()
        assert not (case.is_good and np.isin(rows, parts.train).any())


@pytest.mark.parametrize(("name", "count"), [("missing-class", 0), ("rare-class", 3)])
def test_a_class_is_missing_or_rare(digits, name, count):
    [(_, rows)] = CASES[name].parts(digits, split(digits, SEED), SEED)
    assert (digits.labels[rows] == str(SEED)).sum() == count


@pytest.mark.parametrize("variant", ["noise", "noisy 30", "mean", "blurred"])
def test_an_image_does_not_depend_on_those_drawn_with_it(digits, variant):
    together = faults.draw(variant, digits.images, np.array([5, 9]))
    alone = faults.draw(variant, digits.images, np.array([9]))
    np.testing.assert_array_equal(together[1:], alone)


def verdict(case, blessed, failed=()):
    return {"set": "digits", "case": case, "blessed": blessed, "failed": list(failed)}


def test_the_table_counts_refusals_with_an_interval_and_the_metrics():
    found = [verdict("blurred", False, ["kid", "kinds"])] * 19 + [verdict("blurred", True)]
    lines = table.markdown(found + [verdict("real", True)] * 2).splitlines()
    assert "| blurred, sigma 1 pixel | 19 of 20 (76%–99%) | kid 19, kinds 19 |" in lines
    assert "| new real images, a first model | 0 of 2 (0%–66%) | – |" in lines
    assert "All faulty models: refused 19 of 20 (76%–99%)." in lines


def test_a_wrong_verdict_is_a_refused_good_model_or_a_blessed_faulty_one():
    assert table.is_wrong(verdict("real", False))
    assert table.is_wrong(verdict("blurred", True))
    assert not table.is_wrong(verdict("real", True))
    assert not table.is_wrong({"case": "ratchet", "refused": [3]})
