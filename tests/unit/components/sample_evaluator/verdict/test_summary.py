"""metrics.json contains every available number, and null for the others."""

import dataclasses
import types

import pytest
from measured import parse
from report_data import make_metric, make_summary

from components.metrics import CATALOG
from components.metrics.kinds import Kind, Kinds
from components.sample_evaluator.evaluation import StoredImages
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import MISSED, Check, read_checks
from components.sample_evaluator.verdict.gate import Measured, ModelVerdict
from components.sample_evaluator.verdict.summary import summarize

UNKNOWN = Kinds(unavailable="there are no images of candidate")
COUNTS = {"images": 120.0}
CHECK = Check("kid", "maximum", MISSED, "kid 0.0312 exceeds 0.02", 0.0312, limit=0.02)


OPTIONS = EvaluateOptions(
    limits="none",
    thresholds={
        "kid": Threshold(maximum=0.02, max_worsening=0.01),
        "frechet_distance": Threshold(max_place=0.1),
        "coverage": Threshold(minimum=0.1),
    },
)


def summarize_values(
    candidate,
    baseline=None,
    by_label=types.MappingProxyType({}),
    kinds=UNKNOWN,
):
    values = {
        "real": COUNTS,
        "candidate": {**COUNTS, **candidate},
        "train": {**COUNTS, "kid": -0.0005},
        "noise": {**COUNTS, "kid": 1.93},
    }
    if baseline is not None:
        values["baseline"] = {**COUNTS, **baseline}
    verdict = ModelVerdict(False, (CHECK.sentence,), (CHECK,), ("too good",), OPTIONS.judged)
    results = {source: parse(found) for source, found in values.items()}
    results["candidate"] = dataclasses.replace(
        results["candidate"], classes={name: parse(found) for name, found in by_label.items()}
    )
    evaluation = types.SimpleNamespace(
        candidate=StoredImages("folder", "examples"),
        baseline=None,
        folders={"training": "/srv/pictures"},
        shape=(8, 8, 1),
    )
    history = [{"places": {"kid": 0.04}}, {"places": {"kid": 0.03, "coverage": 0.2}}]
    return summarize(evaluation, Measured(results, OPTIONS, kinds, history), verdict)


def test_has_null_where_there_is_no_number():
    summary = summarize_values({"kid": 0.0312, "frechet_distance_unavailable": "too few images"})
    assert set(summary) <= set(make_summary())
    assert summary["samples"] == 120
    assert summary["metrics"].keys() == CATALOG.keys()
    kid = make_metric(
        0.0312,
        train=-0.0005,
        noise=1.93,
        maximum=0.02,
        max_worsening=0.01,
        best_place=0.03,
    )
    assert summary["metrics"]["kid"] == kid
    distance = summary["metrics"]["frechet_distance"]
    assert distance["candidate"] is None
    assert distance["unavailable"] == "too few images"
    assert summary["metrics"]["recall"]["larger_is_better"]
    assert summary["memorization"] is None


def test_contains_the_verdict_and_its_checks():
    summary = summarize_values({"kid": 0.0312, "coverage": 0.5, "recall": 0.5})
    assert summary["reasons"] == [CHECK.sentence]
    assert read_checks(summary) == [CHECK]
    assert summary["warnings"] == ["too good"]
    assert summary["limits"] == "none"
    assert summary["shape"] == [8, 8, 1]


def test_contains_the_place_of_a_metric_its_limit_and_the_best_earlier_one():
    metrics = summarize_values({"kid": 0.03, "kid_proven_place": 0.05, "kid_place_margin": 0.02})[
        "metrics"
    ]
    kid, coverage = metrics["kid"], metrics["coverage"]
    assert (kid["place"], kid["place_margin"]) == (pytest.approx(0.07), 0.02)
    assert (kid["max_place"], kid["best_place"]) == (None, 0.03)
    assert metrics["frechet_distance"]["max_place"] == 0.1
    assert (coverage["place"], coverage["place_margin"], coverage["best_place"]) == (
        None,
        None,
        0.2,
    )


def test_contains_the_spread_the_change_and_the_copies():
    summary = summarize_values(
        {
            "kid": 0.01,
            "kid_stddev": 0.002,
            "kid_worsening": 0.001,
            "kid_margin": 0.003,
            "memorized_share": 0.02,
            "mirrored_share": 0.6,
            "distance_ratio": 0.9,
        },
        baseline={
            "kid": 0.006,
            "memorized_share": 0.01,
            "mirrored_share": 0.5,
            "distance_ratio": 1.1,
        },
    )
    kid = summary["metrics"]["kid"]
    assert (kid["stddev"], kid["worsening"], kid["margin"]) == (0.002, 0.001, 0.003)
    assert kid["baseline"] == 0.006
    assert summary["memorization"] == {
        "candidate": {"share": 0.02, "mirrored_share": 0.6, "distance_ratio": 0.9},
        "baseline": {"share": 0.01, "mirrored_share": 0.5, "distance_ratio": 1.1},
        "maximum": 0.4,
    }


def test_contains_how_many_samples_are_held_out_images():
    assert summarize_values({"kid": 0.01, "equal_images": 12.0})["equal_to_held_out"] == 12


def test_contains_the_metrics_of_each_label():
    found = {"cat": {"images": 70.0, "kid": 0.5}, "dog": {"images": 50.0}}
    classes = summarize_values({"kid": 0.01}, by_label=found)["classes"]
    assert classes["cat"]["images"] == 70
    assert classes["cat"]["metrics"]["kid"] == 0.5
    assert classes["dog"]["metrics"]["kid"] is None
    assert classes["dog"]["metrics"].keys() == CATALOG.keys()


def test_contains_the_kinds_of_images():
    kinds = Kinds("class", 0.93, (Kind("dog", 50, 50.0, 1.5, True, (3, 7)),))
    summary = summarize_values({"kid": 0.01}, kinds=kinds)
    dog = {"name": "dog", "held_out": 50, "expected": 50.0, "estimated": 1.5, "missing": True}
    assert summary["kinds"] == {
        "by": "class",
        "accuracy": 0.93,
        "kinds": [dog],
        "unavailable": None,
        "followed": None,
        "followed_error": 0.0,
    }
    few = summarize_values({"kid": 0.01}, kinds=Kinds(unavailable="too few images"))["kinds"]
    assert (few["kinds"], few["unavailable"]) == ([], "too few images")
