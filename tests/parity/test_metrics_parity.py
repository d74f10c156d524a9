"""Parity with clean-fid, torch-fidelity and prdc, whose values are in fixtures/metrics.npz.

`make parity` runs the references and compares larger arrays.
"""

from pathlib import Path

import pytest
from metrics_comparison import Comparison, compare

FIXTURE = Path(__file__).with_name("fixtures") / "metrics.npz"
COMPARISONS = list(compare(FIXTURE))


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.name)
def test_the_references_numbers_are_reached(comparison):
    assert comparison.is_equal, comparison


def test_every_reference_is_compared_with_on_random_and_on_real_features():
    names = {tuple(comparison.name.split("/")[:2]) for comparison in COMPARISONS}
    peers = ("clean-fid", "torch-fidelity", "prdc")
    assert names == {(pair, peer) for pair in ("random", "digits") for peer in peers}


def test_a_difference_is_told():
    assert Comparison("", 1 + 0.9e-6, 1).is_equal
    assert not Comparison("", 1 + 1.1e-6, 1).is_equal
    assert not Comparison("", 0.0, 1e-9).is_equal
