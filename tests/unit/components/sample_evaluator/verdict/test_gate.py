"""The gate, by what was measured: whether a model is blessed, with which reasons."""

import pytest
from measured import judge, parse, source

from components.metrics.kinds import Kinds
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.samples.sampler import SamplerError
from components.sample_evaluator.verdict.checks import left_out, missed

OPTIONS = EvaluateOptions(
    min_samples=100,
    samples=200,
    limits="none",
    thresholds={"kid": Threshold(maximum=0.02, max_worsening=0.01)},
)
RECALL = OPTIONS.model_copy(update={"thresholds": {"recall": Threshold(minimum=0.6)}})
CHANGE = OPTIONS.model_copy(update={"thresholds": {"kid": Threshold(max_worsening=0.0)}})
KEPT = (
    "kid 0.0112 is at most 0.02",
    "kid 0.0112 is not worse than the baseline's 0.005 by more than 0.01 plus the spread "
    "over seeds (0.0021)",
)
FEW = "are too few: at least 100 are required"


def measured(**sources):
    """Values of a good candidate beside a baseline; `sources` replace some."""
    candidate = source(kid=0.0112, kid_worsening=0.0041, kid_margin=0.0021)
    train = source(kid=0.0, coverage=0.9)
    found = {"real": source(), "train": train, "candidate": candidate}
    return {**found, "baseline": source(kid=0.005), **sources}


def candidate(**values):
    return measured(
        candidate=source(**{"kid": 0.0112, "kid_worsening": 0.0041, "kid_margin": 0.0021, **values})
    )


KEPT_CASES = {
    "all": (measured(), OPTIONS, KEPT),
    "a minimum": (candidate(recall=0.7), RECALL, ("recall 0.7 is at least 0.6",)),
    "nearly a maximum": (
        measured(candidate=source(kid=0.01999999), baseline=source()),
        OPTIONS,
        ("kid 0.01999999 is at most 0.02",),
    ),
    "a baseline without a value": (
        measured(
            candidate=source(kid=0.0112, kid_worsening_unavailable="NaN in the features"),
            baseline=source(kid_unavailable="NaN in the features"),
        ),
        OPTIONS,
        KEPT[:1],
    ),
    "no limit that applies": (
        measured(),
        EvaluateOptions(limits="none"),
        ("it does not copy more training images than is allowed, and no other limit applies",),
    ),
}
MISSED_CASES = {
    "a maximum, and not the change as well": (
        candidate(kid=0.0312, kid_worsening=0.0141),
        OPTIONS,
        ("kid 0.0312 exceeds 0.02",),
    ),
    "a maximum by little, and copies": (
        candidate(kid=0.0200000001, memorized_share=0.40002),
        OPTIONS,
        (
            "kid 0.0200000001 exceeds 0.02",
            "40.002% of the samples are closer to a training image than held-out images are: at "
            "most 40% allowed",
        ),
    ),
    "a minimum": (candidate(recall=0.512), RECALL, ("recall 0.512 is below 0.6",)),
    "a change": (
        candidate(kid=0.0191, kid_worsening=0.0141),
        OPTIONS,
        (
            "kid 0.0191 is worse than the baseline's 0.005 by 0.0162: more than 0.0121, the "
            "allowed 0.01 plus the spread over seeds",
        ),
    ),
    "a change that is not finite": (
        measured(candidate=source(kid=0.0112)),
        OPTIONS,
        ("kid cannot be compared with the baseline: the value is not finite",),
    ),
    "mirrored copies": (
        candidate(memorized_share=0.62, mirrored_share=0.6),
        OPTIONS,
        (
            "62% of the samples are copies of training images, 60% of them mirrored: at most 40% "
            "allowed",
        ),
    ),
    "copies, half of them mirrored": (
        candidate(memorized_share=0.734, mirrored_share=0.5),
        OPTIONS,
        (
            "73.4% of the samples are closer to a training image than held-out images are: at "
            "most 40% allowed",
        ),
    ),
    "copies that were not counted": (
        measured(candidate=parse({"images": 200, "distinct_images": 200, "kid": 0.01})),
        CHANGE.model_copy(update={"thresholds": {}}),
        ("memorized_share cannot be computed: the value is not finite",),
    ),
    "a metric that cannot be computed": (
        measured(candidate=source(kid_unavailable="NaN in the features")),
        OPTIONS,
        ("kid cannot be computed: NaN in the features",),
    ),
    "a metric that is not finite": (
        measured(candidate=source()),
        CHANGE,
        ("kid cannot be computed: the value is not finite",),
    ),
    "few held-out images": (
        measured(real=source(images=99), train=source(images=99, kid=0.0)),
        OPTIONS,
        (f"99 held-out images {FEW}",),
    ),
    "one held-out image": (
        measured(real=source(images=1)),
        OPTIONS,
        ("1 held-out image is too few: at least 100 are required",),
    ),
    "few training images": (
        measured(train=source(images=99, kid=0.0)),
        OPTIONS,
        (f"99 training images {FEW}: their distances are the floor of all",),
    ),
    "few sources of no image": (
        measured(real=source(images=5), source=source(images=5)),
        OPTIONS,
        (f"5 held-out images {FEW}, of images and of sources",),
    ),
    "one sample": (candidate(distinct=1), OPTIONS, ("all 200 samples are the same image",)),
    "a single color": (
        candidate(flat=200),
        OPTIONS,
        (
            "200 of 200 samples are a single color (held-out images: 0), as from a network that "
            "returns NaN",
        ),
    ),
}


@pytest.mark.parametrize(
    ("values", "options", "reasons"), KEPT_CASES.values(), ids=KEPT_CASES.keys()
)
def test_a_blessing_states_the_limits_that_are_kept(values, options, reasons):
    verdict = judge(values, options)
    assert verdict.blessed
    assert verdict.reasons == reasons
    assert not left_out(verdict.checks)


@pytest.mark.parametrize(
    ("values", "options", "reasons"), MISSED_CASES.values(), ids=MISSED_CASES.keys()
)
def test_a_model_that_misses_limits_is_not_blessed(values, options, reasons):
    verdict = judge(values, options)
    assert not verdict.blessed
    assert verdict.reasons == reasons
    assert tuple(missed(verdict.checks).values()) == reasons


def test_a_check_has_the_numbers_that_were_compared():
    checks = judge(candidate(kid_worsening=0.0141), OPTIONS).checks
    found = {(check.name, check.by): check[2:] for check in checks}
    assert found["kid", "maximum"] == ("kept", KEPT[0], 0.0112, None, 0.02)
    outcome, _, *numbers = found["kid", "max_worsening"]
    assert outcome == "missed"
    assert numbers == pytest.approx([0.0162, 0.0021, 0.01])
    assert found["memorized_share", "maximum"] == ("kept", None, 0.0, None, 0.4)
    assert found["images", "real"] == ("kept", None, 200, None, 100)


@pytest.mark.parametrize("bless", ["always", "never"])
@pytest.mark.parametrize("good", [True, False])
def test_the_limits_can_be_overruled_and_the_reasons_say_so(bless, good):
    options = OPTIONS.model_copy(update={"bless": bless})
    verdict = judge(candidate(kid=0.0112 if good else 0.0312), options)
    assert verdict.blessed == (bless == "always")
    outcome = "meets" if good else "misses"
    stated = f"evaluate.bless={bless} overrides the limits, which the model {outcome}"
    assert verdict.reasons == (stated, *(KEPT if good else ["kid 0.0312 exceeds 0.02"]))


@pytest.mark.parametrize("bless", ["auto", "always"])
def test_a_candidate_that_cannot_be_sampled_is_never_blessed(bless):
    options = OPTIONS.model_copy(update={"bless": bless})
    values = measured(candidate=source(images=0))
    verdict = judge(values, options, problems={"candidate": SamplerError("it is damaged")})
    assert not verdict.blessed
    assert verdict.reasons == ("the candidate cannot be sampled: it is damaged",)


def test_no_images_at_all_block():
    verdict = judge(dict.fromkeys(("real", "train", "candidate"), parse({})), OPTIONS)
    assert not verdict.blessed
    assert verdict.reasons[0] == f"0 held-out images {FEW}"


@pytest.mark.parametrize(("equal", "warned"), [(0, False), (2, False), (3, True)])
def test_samples_that_are_held_out_images_are_a_warning_that_blocks_nothing(equal, warned):
    verdict = judge(candidate(equal=equal), OPTIONS)
    assert verdict.blessed
    warning = f"{equal} of 200 samples equal held-out images pixel by pixel"
    assert [text.startswith(warning) for text in verdict.warnings] == [True] * warned


@pytest.mark.parametrize(
    ("held_out", "trained", "flat", "blessed"),
    [
        (0, 0, 2, True),
        (0, 0, 3, False),
        (4, 0, 10, True),  # by chance
        (4, 0, 13, False),
        (0, 4, 10, True),  # equal images are all on one side
        (0, 4, 13, False),
    ],
)
def test_single_colored_samples_block_when_real_images_have_fewer(held_out, trained, flat, blessed):
    values = candidate(flat=flat)
    values |= {"real": source(flat=held_out), "train": source(flat=trained, kid=0.0)}
    verdict = judge(values, OPTIONS)
    assert verdict.blessed == blessed
    beside = f", training images: {trained}" if trained else ""
    stated = f"{flat} of 200 samples are a single color (held-out images: {held_out}{beside})"
    assert (stated in verdict.reasons) == (not blessed)


@pytest.mark.parametrize(
    ("followed", "error", "limits", "blessed"),
    [
        (None, 0.0, "default", True),
        (0.3, 0.0, "default", True),
        (0.1, 0.0, "default", False),
        (0.1, 0.1, "default", True),
        (0, 0.0, "none", True),
    ],
)
def test_a_model_that_ignores_its_labels_is_blocked(followed, error, limits, blessed):
    options = OPTIONS.model_copy(update={"limits": limits})
    kinds = Kinds("class", 0.9, followed=followed, followed_error=error)
    values = measured(train=source(kid=0.0), noise=source())
    verdict = judge(values, options, kinds=kinds)
    assert verdict.blessed == blessed
    stated = (
        "the model ignores its labels: a classifier finds the class that was asked for 10% as "
        "far above chance as for held-out images; at least 25% are required"
    )
    assert (stated in verdict.reasons) == (not blessed)


@pytest.mark.parametrize(
    ("given", "blessed"),
    [
        ({}, False),
        ({"source": source(distinct=140)}, True),
        ({"source": source(distinct=140), "mean_answer": source(images=0)}, True),
        ({"source": source(distinct=140), "mean_answer": source()}, False),
        ({"source": source(distinct=190)}, False),
    ],
    ids=["no sources", "equal sources", "one answer", "several answers to each", "other sources"],
)
def test_equal_results_are_expected_of_equal_sources_alone(given, blessed):
    verdict = judge(candidate(distinct=140) | given, OPTIONS)
    assert verdict.blessed == blessed
    stated = "60 of 200 samples repeat others pixel by pixel: only 140 are different"
    assert (stated in verdict.reasons) == (not blessed)


@pytest.mark.parametrize(
    ("psnr", "other", "limits", "ignored"),
    [
        (8.31, 8.21, "default", True),
        (5.0, 8.21, "loose", True),
        (8.71, 8.2, "default", False),
        (5.0, 8.21, "none", False),
        (5.0, None, "default", False),
    ],
)
def test_results_that_could_be_those_of_any_source_are_refused(psnr, other, limits, ignored):
    values = measured(candidate=source(psnr=100.0))
    values["answer"] = source(psnr=psnr)  # to the sources of which there are others
    if other is not None:
        values["other"] = source(psnr=other)
    thresholds = dict.fromkeys(EvaluateOptions().judged)
    verdict = judge(values, EvaluateOptions(limits=limits, thresholds=thresholds))
    assert verdict.blessed != ignored
    if ignored:
        assert missed(verdict.checks) == {"psnr": verdict.reasons[0]}
        assert verdict.reasons[0].endswith("8.21: the model ignores its sources")


def test_a_damaged_baseline_blocks_where_limits_compare():
    problems = {"baseline": SamplerError("it has no files")}
    verdict = judge(measured(), OPTIONS, problems=problems)
    assert verdict.reasons == (
        "it cannot be compared with the baseline, which is damaged: it has no files; restore that "
        "model for later ones, or promote one in its place",
    )
    assert judge(candidate(recall=0.7), RECALL, problems=problems).blessed
