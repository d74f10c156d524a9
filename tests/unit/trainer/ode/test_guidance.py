import numpy as np
import pytest

from trainer.ode.guidance import evaluations_per_slope, guide

LABELED, UNLABELED = np.float32([[3.0, -1.0]]), np.float32([[1.0, 1.0]])


@pytest.mark.parametrize(
    ("guidance", "field"), [(0.0, UNLABELED), (1.0, LABELED), (2.5, [[6.0, -4.0]])]
)
def test_guidance_goes_from_the_field_without_a_label_through_that_with_it(guidance, field):
    np.testing.assert_array_equal(guide(LABELED, UNLABELED, guidance), field)


def test_only_other_guidance_than_one_needs_the_network_twice():
    assert [evaluations_per_slope(guidance) for guidance in (0.0, 1.0, 2.5)] == [2, 1, 2]


def test_each_kind_of_guidance_doubles_the_evaluations():
    assert [evaluations_per_slope(1.0, 2.0), evaluations_per_slope(1.5, 2.0)] == [2, 4]
