"""Bars place models between training images and noise, and say so in words."""

import pytest
from report_data import make_checks, make_metric, make_summary

from components.metrics import METRICS
from components.sample_evaluator.report.judged import (
    HIGHEST,
    LOWEST,
    judged_metrics,
    scale,
)
from components.sample_evaluator.report.texts import percent, sharpness
from components.sample_evaluator.verdict.checks import KEPT, LEFT_OUT, MISSED


def judge(name="kid", **metric):
    metrics = {name: make_metric(**metric)}
    [found] = judged_metrics(make_summary(metrics=metrics, checks=make_checks(**{name: KEPT})))
    return found


def test_the_scale_rises_within_the_bar_and_ends_where_places_are_beyond():
    places = [scale(place) for place in (LOWEST, 0, 0.001, 0.01, 0.25, HIGHEST)]
    assert places == sorted(set(places))
    assert min(places) > 0
    assert max(places) < 100
    assert scale(-3) == scale(LOWEST)
    assert scale(9) == scale(HIGHEST)
    assert scale(0.04) - scale(0) == pytest.approx(2 * (scale(0.01) - scale(0)), abs=0.02)


def test_a_bar_marks_the_place_its_error_the_limit_and_the_best_model():
    marks = {"place": 0.04, "place_margin": 0.01, "max_place": 0.09, "best_place": 0.02}
    bar = judge(candidate=0.1, **marks).bar
    assert bar == tuple(map(scale, (0.04, 0.03, 0.05, 0.09, 0.02)))
    bar = judge(candidate=0.1, place=0.04).bar
    assert bar == (scale(0.04), None, None, None, None)


def test_without_a_place_there_are_words_and_no_bar():
    found = judge(candidate=0.1, train=0.0, noise=2.0, maximum=0.2)
    assert found.bar is None
    assert found.values == "value 0.1; at most 0.2"


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
    found = judge(candidate=0.1, train=0.0, noise=2.0, place=0.05, **limits)
    assert found.bar.limit == (None if place is None else scale(place))


def test_a_minimum_is_a_limit_of_a_metric_that_falls_towards_noise():
    found = judge(candidate=0.8, train=0.9, noise=0.1, place=0.125, minimum=0.5)
    assert found.bar.limit == scale(0.5)


def test_failures_come_first_and_what_was_left_out_last():
    found = [one.outcome for one in judged_metrics(make_summary())]
    assert found == [MISSED] * 4 + [KEPT] * 2 + [LEFT_OUT]


def test_copies_are_judged_by_their_share():
    found = {one.name: one for one in judged_metrics(make_summary())}["memorized_share"]
    assert found.bar.place == scale(0.025)
    assert found.values == "2.5% of the samples; limit 5%; 75% of the copies are mirrored"


def test_a_metric_is_explained_also_beside_other_images():
    assert judge(candidate=0.1).title == METRICS["kid"].title
    found = judge("kid@holdout", candidate=0.1)
    assert found.title == f"{METRICS['kid'].title}, beside data.holdout"
    assert found.measures == METRICS["kid"].measures


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
