"""Moments add up, however the images were bundled."""

import numpy as np
import pytest

from components.metrics.moments import Moments
from components.sample_evaluator.measure.moments_fn import CombineMoments


def combine(elements, cuts):
    function = CombineMoments()
    accumulators = []
    for part in np.split(np.arange(len(elements)), cuts):
        accumulator = function.create_accumulator()
        for i in part:
            accumulator = function.add_input(accumulator, elements[i])
        accumulators.append(accumulator)
    accumulators[0] = function.compact(accumulators[0])
    return function.extract_output(function.merge_accumulators(accumulators))


@pytest.mark.parametrize("cuts", [[], [0, 1, 2], [300, 301, 900], [999]])
def test_the_moments_are_those_of_all_rows_at_once(cuts):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1000, 6)).astype(np.float32) + 3
    elements = [(("real", "candidate")[i % 3 == 0], vector) for i, vector in enumerate(vectors)]
    found = combine(elements, cuts)
    for source, rows in (
        ("real", np.arange(1000) % 3 != 0),
        ("candidate", np.arange(1000) % 3 == 0),
    ):
        expected = Moments.of(vectors[rows])
        assert found[source].count == expected.count
        np.testing.assert_allclose(found[source].sum, expected.sum, rtol=1e-12)
        np.testing.assert_allclose(found[source].outer, expected.outer, rtol=1e-12)


def test_of_nothing_there_are_no_moments():
    assert combine([], [0]) == {}
