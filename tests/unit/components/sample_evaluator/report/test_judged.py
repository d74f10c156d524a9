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
from components.sample_evaluator.report.spectrum import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    chart,
    sharpness,
)
from components.sample_evaluator.report.texts import percent
from components.sample_evaluator.verdict.checks import KEPT, LEFT_OUT, MISSED

PLACED = {"train": 0.0, "noise": 2.0, "place": 0.04, "place_margin": 0.01}


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
    found = judge(candidate=0.1, **PLACED, max_place=0.09, best_place=0.02)
    places = {"place": 0.04, "low": 0.03, "high": 0.05, "limit": 0.09, "best": 0.02}
    assert found.marks == {mark: scale(place) for mark, place in places.items()}
    said = "4% ± 1% of the way to noise; at most 9% of the way; best earlier model 2%"
    assert found.values == said
    assert judge(candidate=0.1, **PLACED).marks.keys() == {"place", "low", "high"}


def test_without_a_place_there_are_words_and_no_bar():
    found = judge(candidate=0.1, train=0.0, noise=2.0, maximum=0.2, max_worsening=0.0)
    assert not found.marks
    assert found.values == "value 0.1; at most 0.2; at most 0 worse than the baseline"


@pytest.mark.parametrize(
    ("limits", "place"),
    [({"maximum": 0.5}, 0.25), ({"maximum": 0.7}, 0.3), ({"minimum": 0.4}, 0.2)],
)
def test_the_limit_is_the_strictest_one_and_limits_of_the_value_are_places_too(limits, place):
    found = judge(candidate=0.1, **PLACED, max_place=0.3, **limits)
    assert found.marks["limit"] == scale(place)


def test_failures_come_first_and_what_was_left_out_last():
    found = [one.outcome for one in judged_metrics(make_summary())]
    assert found == [MISSED] * 4 + [KEPT] * 2 + [LEFT_OUT]


def test_copies_are_judged_by_their_share():
    found = {one.name: one for one in judged_metrics(make_summary())}["memorized_share"]
    assert found.marks == {"place": scale(0.025), "limit": scale(0.05)}
    assert found.values == (
        "2.5% of the samples; at most 5%; 75% of the copies are mirrored; baseline 1.2%; nearest "
        "training images at 94% of the distance of held-out images"
    )


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
    ],
)
def test_the_finest_scales_tell_blur_from_grain(powers, words):
    spectrum = {"frequencies": [1, 2, 5, 8], "candidate": powers}
    assert sharpness(spectrum).startswith(words)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0123, "1.2%"), (0.5, "50%"), (1.5, "150%"), (-0.02, "−2%"), (0.0, "0%"), (None, "–")],
)
def test_percentages_are_short(share, text):
    assert percent(share) == text


def test_the_chart_places_powers_over_frequencies_and_leaves_noise_out():
    found = chart(make_summary()["spectrum"] | {"candidate": [1, 2, 3, 1.5, 0]})
    assert found.x_ticks == {"0": LEFT, "8": (LEFT + RIGHT) / 2, "16": RIGHT}
    assert found.y_ticks == {"0": BOTTOM, "1.5": (TOP + BOTTOM) / 2, "3": TOP}
    assert [*found.lines] == ["candidate", "baseline", "training"]
    points = found.lines["candidate"].split()
    assert points[2] == f"{LEFT + (RIGHT - LEFT) / 4},{float(TOP)}"
    assert points[4] == f"{float(RIGHT)},{float(BOTTOM)}"
    assert float(points[0].split(",")[1]) == found.level
