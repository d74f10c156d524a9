"""Bars place models between training images and noise, and say so in words."""

import pytest
from report_data import make_metric, make_summary

from components.metrics import CATALOG
from components.sample_evaluator.report.judged import (
    HIGHEST,
    LOWEST,
    copies_too_much,
    judged_metrics,
    scale,
    ticks,
)
from components.sample_evaluator.report.texts import explain, percent, sharpness


def judge(**metric):
    [found] = judged_metrics(
        make_summary(metrics={"kid": make_metric(**metric)}, memorization=None)
    )
    return found


def test_the_scale_rises_within_the_bar_and_ends_where_places_are_beyond():
    places = [scale(place) for place in (LOWEST, 0, 0.001, 0.01, 0.25, HIGHEST)]
    assert places == sorted(set(places))
    assert min(places) > 0
    assert max(places) < 100
    assert scale(-3) == scale(LOWEST)
    assert scale(9) == scale(HIGHEST)
    assert scale(0.04) - scale(0) == pytest.approx(2 * (scale(0.01) - scale(0)), abs=0.02)
    assert ticks()["25%"] == scale(0.25)


def test_a_bar_marks_the_place_its_error_the_limit_and_the_best_model():
    marks = {"place": 0.04, "place_margin": 0.01, "max_place": 0.09, "best_place": 0.02}
    bar = judge(candidate=0.1, status="passed", **marks).bar
    assert bar == tuple(map(scale, (0.04, 0.03, 0.05, 0.09, 0.02)))
    bar = judge(candidate=0.1, status="passed", place=0.04).bar
    assert bar == (scale(0.04), None, None, None, None)


def test_without_a_place_there_are_words_and_no_bar():
    found = judge(candidate=0.1, train=0.0, noise=2.0, maximum=0.2, status="passed")
    assert found.bar is None
    assert found.values == "value 0.1; training images 0; noise 2; at most 0.2"


@pytest.mark.parametrize(
    ("limits", "place"),
    [
        ({"maximum": 0.5}, 0.25),
        ({"maximum": 0.5, "max_place": 0.1}, 0.1),
        ({"maximum": 0.5, "max_place": 0.3}, 0.25),
        ({"max_worsening": 0.5}, None),
    ],
)
def test_the_limit_is_the_strictest_one_and_limits_of_the_value_are_places_too(limits, place):
    found = judge(candidate=0.1, train=0.0, noise=2.0, place=0.05, status="passed", **limits)
    assert found.bar.limit == (None if place is None else scale(place))


def test_a_minimum_is_a_limit_of_a_metric_that_falls_towards_noise():
    found = judge(candidate=0.8, train=0.9, noise=0.1, place=0.125, minimum=0.5, status="passed")
    assert found.bar.limit == scale(0.5)


def test_the_text_alternative_contains_every_value():
    metric = make_summary()["metrics"]["kid"]
    [found] = judged_metrics(make_summary(metrics={"kid": metric}, memorization=None))
    assert found.alternative == (
        "kid: 1.6% of the way to noise ± 0.41%; limit 1.1%; best earlier model 0.65%; "
        "value 0.0312; baseline 0.0121; training images −0.0005; noise 1.93; at most 0.02; "
        "at most 0.01 worse than the baseline; at most 5% of the way to noise."
    )


def test_failures_come_first_and_what_was_left_out_last():
    found = [one.status for one in judged_metrics(make_summary())]
    assert found == ["failed"] * 4 + ["passed"] * 2 + ["left out"]


@pytest.mark.parametrize(("share", "status"), [(0.06, "failed"), (0.05, "passed")])
def test_copies_are_judged_by_their_share(share, status):
    memorization = {"candidate": {"share": share, "mirrored_share": 0.75}, "maximum": 0.05}
    summary = make_summary(metrics={}, memorization=memorization)
    [found] = judged_metrics(summary)
    assert found.status == status
    assert found.bar.place == scale(share)
    assert found.values.startswith(f"{percent(share)} of the samples; limit 5%; 75% of the copies")
    assert copies_too_much(summary) == (status == "failed")


def test_copies_without_a_number_or_a_limit_are_not_judged():
    for share, maximum in ((None, 0.05), (0.5, None)):
        memorization = {"candidate": {"share": share}, "maximum": maximum}
        assert judged_metrics(make_summary(metrics={}, memorization=memorization)) == []
        assert not copies_too_much(make_summary(memorization=memorization))


@pytest.mark.parametrize("name", CATALOG)
def test_each_metric_is_explained(name):
    assert explain(name).measures.endswith(".")
    assert "data.holdout" in explain(f"{name}@holdout").title


def test_a_metric_that_is_not_known_has_no_explanation():
    assert explain("other") is None


@pytest.mark.parametrize(
    ("powers", "words"),
    [
        ([1.0, 0.9, 0.3, 0.5], "Blurrier than the data: 40% of its detail"),
        ([1.0, 0.9, 1.0, 0.95], "As sharp as the data: 98% of its detail"),
        ([1.0, 0.9, 1.5, 2.5], "More grain or sharper edges than the data: 200% of its detail"),
        ([1.0, 0.9, None, 0.5], "Blurrier than the data: 50% of its detail"),
    ],
)
def test_the_finest_scales_tell_blur_from_grain(powers, words):
    spectrum = {"frequencies": [1, 2, 5, 8], "candidate": powers}
    assert sharpness(spectrum).startswith(words)
    assert sharpness({**spectrum, "candidate": [1.0, 1.0, None, None]}) is None


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0123, "1.2%"), (0.5, "50%"), (1.5, "150%"), (-0.02, "−2%"), (0.0, "0%"), (None, "–")],
)
def test_percentages_are_short(share, text):
    assert percent(share) == text
