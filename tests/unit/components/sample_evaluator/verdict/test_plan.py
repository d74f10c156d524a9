"""What is said before a training about the verdict at its end."""

import pytest

from components.features.options import FeatureOptions
from components.sample_evaluator.options import DEFAULTS, EvaluateOptions, Threshold
from components.sample_evaluator.verdict.plan import announce, left_out

GRAY, COLOR, LARGE = (8, 8, 1), (32, 32, 3), (64, 64, 3)
UNTRAINED = EvaluateOptions(features=FeatureOptions(name="random_conv"), samples=5000)
TRAINED = EvaluateOptions(features=FeatureOptions(name="efficientnet-lite0"), samples=5000)
PIXELS = EvaluateOptions(features=FeatureOptions(name="pixels"), samples=5000)
ALL = ", ".join(DEFAULTS)
BUT_FRECHET = ", ".join(name for name in DEFAULTS if name != "frechet_distance")


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (
            0,
            [
                "0 held-out images of 8x8 in gray: fewer than evaluate.min_samples=20, no model "
                "will be blessed"
            ],
        ),
        (
            8,
            [
                "8 held-out images of 8x8 in gray: fewer than evaluate.min_samples=20, no model "
                "will be blessed; 12 more of them would do, about 2.5 times as many pictures"
            ],
        ),
        (
            20,
            [
                f"20 held-out images of 8x8 in gray: judged by {BUT_FRECHET} in random_conv",
                "frechet_distance is left out: it needs 285 held-out images",
            ],
        ),
        (
            284,
            [
                f"284 held-out images of 8x8 in gray: judged by {BUT_FRECHET} in random_conv",
                "frechet_distance is left out: it needs 285 held-out images",
            ],
        ),
        (285, [f"285 held-out images of 8x8 in gray: judged by {ALL} in random_conv"]),
        (5000, [f"5,000 held-out images of 8x8 in gray: judged by {ALL} in random_conv"]),
    ],
)
def test_it_is_said_what_will_be_judged(held_out, said):
    assert announce(UNTRAINED, held_out, GRAY) == said


def test_more_samples_are_asked_for_only_where_fewer_are_set():
    few = UNTRAINED.model_copy(update={"samples": 100})
    assert announce(few, 200, GRAY)[-1] == (
        "frechet_distance is left out: it needs 285 held-out images and evaluate.samples=285"
    )


def test_too_few_training_images_are_said_to_be():
    (said,) = announce(UNTRAINED, 300, GRAY, trained=15)
    assert said.startswith("15 training images: fewer than evaluate.min_samples=20, no model will")
    assert announce(UNTRAINED, 300, GRAY, trained=20) == announce(UNTRAINED, 300, GRAY)


def test_a_run_whose_limits_need_more_images_is_said_to_bless_no_model():
    alone = {"frechet_distance": Threshold(maximum=1.0)}
    options = UNTRAINED.model_copy(update={"limits": "none", "thresholds": alone})
    first, _ = announce(options, 200, GRAY)
    assert first.endswith("in gray: no limit can be applied, no model will be blessed")


def test_one_image_is_singular():
    (said,) = announce(UNTRAINED, 1, COLOR)
    assert said.startswith("1 held-out image of 32x32 in color: ")


@pytest.mark.parametrize(
    ("options", "shape", "held_out", "needed"),
    [
        (UNTRAINED, COLOR, 284, 285),
        (UNTRAINED, COLOR, 285, None),
        (TRAINED, COLOR, 2844, 2845),
        (TRAINED, COLOR, 5000, None),
        (PIXELS, GRAY, 142, 143),
        (PIXELS, GRAY, 143, None),
        (PIXELS, COLOR, 5000, 6827),
    ],
)
def test_the_number_that_would_do_depends_on_the_feature_space(options, shape, held_out, needed):
    expected = {"frechet_distance": needed} if needed else {}
    assert left_out(options, held_out, shape) == expected


def test_more_images_than_samples_do_not_help():
    few = UNTRAINED.model_copy(update={"samples": 200})
    assert left_out(few, 5000, COLOR) == {"frechet_distance": 285}


def test_a_space_of_too_many_dimensions_is_not_answered_with_more_images():
    assert left_out(PIXELS, 10**6, LARGE) == {"frechet_distance": None}
    assert announce(PIXELS, 10**6, LARGE)[1] == (
        "frechet_distance is left out: pixels has more dimensions than the 4,096 it allows"
    )


def test_a_space_whose_dimension_is_not_known_leaves_nothing_out():
    network = FeatureOptions(name="onnx:net.onnx", sha256="0" * 64)
    for features in (network, FeatureOptions(name="auto")):
        assert left_out(EvaluateOptions(features=features), 20, COLOR) == {}


def test_what_is_not_judged_is_not_missed():
    options = UNTRAINED.model_copy(update={"thresholds": {"frechet_distance": None}})
    assert left_out(options, 20, COLOR) == {}
    [said] = announce(UNTRAINED.model_copy(update={"limits": "none"}), 20, COLOR)
    assert said.endswith(": judged by copies alone in random_conv")
