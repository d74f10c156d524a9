"""What is said before a training about the verdict at its end."""

import pytest

from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict.plan import announce


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (1797, "1,797 held-out images of 8x8 in gray: enough for a verdict"),
        (100, "100 held-out images of 8x8 in gray: enough for a verdict"),
        (
            48,
            "48 held-out images of 8x8 in gray: fewer than evaluate.min_samples=100, no model will "
            "be blessed; 52 more of them would do, about 2.1 times as many pictures",
        ),
        (
            0,
            "0 held-out images of 8x8 in gray: fewer than evaluate.min_samples=100, no model will "
            "be blessed",
        ),
    ],
)
def test_it_is_said_whether_a_verdict_is_possible(held_out, said):
    assert announce(EvaluateOptions(), held_out, 8, 1) == [said]


def test_one_image_is_singular():
    (said,) = announce(EvaluateOptions(), 1, 32, 3)
    assert said.startswith("1 held-out image of 32x32 in color: ")
