"""The history reads comparable earlier evaluations and skips the others."""

import json
import types

import pytest
from tfx.types.standard_artifacts import ModelEvaluation

from components.features.options import FeatureOptions
from components.sample_evaluator.measure.results import SourceResult
from components.sample_evaluator.verdict import history
from components.sample_evaluator.verdict.history import best_places, task_of
from trainer.source.options import Source

PIXELS = FeatureOptions(name="pixels")
AT_HOLDOUT = {"kid@holdout": {"candidate": 0.02}, "coverage@holdout": {"candidate": 0.9}}


@pytest.fixture
def evaluation(tmp_path):
    """Writes an evaluation's metrics.json, or other text, or none; returns the artifact."""

    def make(name, content):
        artifact = ModelEvaluation()
        artifact.uri = str(tmp_path / name)
        artifact.mlmd_artifact.create_time_since_epoch = 1_780_000_000_000  # 2026-05-28
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "metrics.json").write_text(content, encoding="utf-8")
        return artifact

    return make


def content(uri, features="pixels", samples=200, kid=0.01, settings=None, holdout=None):
    return json.dumps(
        {
            "features": features,
            "feature_settings": settings or {},
            "samples": samples,
            "shape": [8, 8, 1],
            "task": None,
            "images": {"holdout": holdout} if holdout else {},
            "model": {"uri": uri},
            "metrics": {"kid": {"candidate": kid}, "frechet_distance": {"candidate": None}}
            | (AT_HOLDOUT if holdout else {}),
        }
    )


def read_history(made, features=PIXELS, samples=200, holdout=0, *, task=None, shape=(8, 8, 1)):
    """The history in an evaluation of so many samples."""
    options = types.SimpleNamespace(features=features)
    evaluation = types.SimpleNamespace(earlier=made, options=options, shape=shape)
    results = {"real": SourceResult(images=samples), "holdout": SourceResult(images=holdout)}
    return history.earlier_metrics(evaluation, results, task)


def test_contains_the_values_in_the_order_of_the_evaluations(evaluation):
    made = [evaluation("b", content("models/2")), evaluation("a", content("models/9", kid=0.5))]
    day = "2026-05-28"
    assert read_history(made) == [
        {"model": "models/2", "evaluated": day, "metrics": {"kid": 0.01}, "places": {}},
        {"model": "models/9", "evaluated": day, "metrics": {"kid": 0.5}, "places": {}},
    ]


@pytest.mark.parametrize(
    "text",
    [
        content("models/1", features="random_conv"),
        content("models/1", samples=199),
        content("models/1", kid=float("nan")),
        "{",
        "[]",
        "{}",
        None,
    ],
)
def test_what_cannot_be_compared_is_left_out(evaluation, text):
    made = [evaluation("a", text), evaluation("b", content("models/2"))]
    assert [entry["model"] for entry in read_history(made)] == ["models/2"]


@pytest.mark.parametrize(
    "change", [{"sha256": "b" * 64}, {"resolution": 32}, {"stddev": (1.0, 2.0, 3.0)}]
)
def test_a_feature_space_of_the_same_name_with_other_weights_or_settings_is_another(
    evaluation, change
):
    features = FeatureOptions(name="onnx:model.onnx", sha256="a" * 64, mean=(0.1, 0.2, 0.3))
    other = features.model_copy(update=change)
    made = [
        evaluation(name, content(name, features=space.name, settings=space.settings))
        for name, space in (("other", other), ("same", features))
    ]
    assert [entry["model"] for entry in read_history(made, features)] == ["same"]


def test_models_that_translate_something_else_are_left_out(evaluation):
    tasks = {
        "noise": None,
        "small": task_of(Source(degrade="downscale 2")),
        "tiny": task_of(Source(degrade="downscale 8")),
        "folder": task_of(Source(degrade=None)),
        "tiny, mapped": task_of(Source(degrade="downscale 8", use="map")),
    }
    made = [
        evaluation(name, json.dumps(json.loads(content(name)) | {"task": task}))
        for name, task in tasks.items()
    ]
    for name, expected in (
        ("noise", ["noise"]),
        ("tiny", ["tiny", "tiny, mapped"]),
        ("folder", ["folder"]),
    ):
        found = read_history(made, PIXELS, 200, task=tasks[name])
        assert [entry["model"] for entry in found] == expected


def test_weights_may_lie_elsewhere(evaluation):
    here, there = (FeatureOptions(name=f"onnx:{each}/n.onnx", sha256=64 * "a") for each in "ab")
    made = [evaluation("a", content("models/1", features=there.name, settings=there.settings))]
    assert len(read_history(made, here)) == 1


def test_metrics_that_other_images_or_numbers_of_samples_change_are_skipped(
    evaluation,
):
    made = [
        evaluation("same", content("same", holdout=50)),
        evaluation("other folder", content("other folder", holdout=49)),
        evaluation("no folder", content("no folder")),
        evaluation("more samples", content("more samples", samples=300, holdout=50)),
        evaluation("neither", content("neither", samples=300, holdout=49)),
    ]
    found = {entry["model"]: entry["metrics"] for entry in read_history(made, PIXELS, 200, 50)}
    assert found == {
        "same": {"kid": 0.01, "kid@holdout": 0.02, "coverage@holdout": 0.9},
        "other folder": {"kid": 0.01},
        "no folder": {"kid": 0.01},
        "more samples": {"kid@holdout": 0.02},
    }


def test_pairs_at_fixed_images_are_compared_whatever_the_number_of_samples(evaluation):
    task = task_of(Source(degrade="gray"))
    made = []
    for samples in (200, 300):
        one = json.loads(content(f"of {samples}", samples=samples, holdout=50)) | {"task": task}
        one["metrics"]["psnr@holdout"] = {"candidate": 20.0}
        made.append(evaluation(str(samples), json.dumps(one)))
    found = read_history(made, PIXELS, 200, 50, task=task)
    fixed = {"kid@holdout": 0.02, "psnr@holdout": 20.0}
    assert {entry["model"]: entry["metrics"] for entry in found} == {
        "of 200": {"kid": 0.01, **fixed, "coverage@holdout": 0.9},
        "of 300": fixed,
    }


def placed(uri, **places):
    """The content of an evaluation whose metrics have places; a pair is (place, margin)."""
    found = json.loads(content(uri))
    for name, (place, margin) in places.items():
        found["metrics"][name] = {"candidate": 0.01, "place": place, "place_margin": margin}
    return json.dumps(found)


def test_the_best_places_are_the_smallest_with_their_errors(evaluation):
    made = [
        evaluation("a", placed("models/1", kid=(0.02, 0.03), coverage=(0.1, 0.02))),
        evaluation("b", placed("models/2", kid=(0.03, 0.01), coverage=(-0.1, 0.05))),
        evaluation("c", placed("models/3", kid=(0.01, None), coverage=(None, None))),
    ]
    best = best_places(read_history(made))
    assert best == {"kid": pytest.approx(0.04), "coverage": pytest.approx(-0.05)}


def test_metrics_without_a_place_have_no_best_one(evaluation):
    made = [evaluation("a", content("models/1")), evaluation("b", content("models/2", holdout=50))]
    found = read_history(made, PIXELS, 200, 50)
    assert [entry["places"] for entry in found] == [{}, {}]
    assert best_places(found) == best_places([]) == {}


def test_places_of_other_numbers_of_images_are_the_best_where_they_do_not_depend_on_these(
    evaluation,
):
    names = ("kid", "coverage", "spectrum_distance")
    nearer, further = (dict.fromkeys(names, (each, 0.0)) for each in (0.0, 0.1))
    few = json.loads(placed("models/1", **nearer)) | {"samples": 100}
    made = [
        evaluation("few", json.dumps(few)),
        evaluation("same", placed("models/2", **further)),
    ]
    found = read_history(made)
    assert best_places(found) == {"kid": 0.0, "coverage": 0.1, "spectrum_distance": 0.1}
    assert [bool(entry["metrics"]) for entry in found] == [False, True]


def test_images_of_another_shape_are_left_out(evaluation):
    shapes = {"smaller": [8, 8, 1], "same": [16, 16, 1]}
    made = [
        evaluation(name, json.dumps(json.loads(content(name)) | {"shape": shape}))
        for name, shape in shapes.items()
    ]
    found = read_history(made, PIXELS, 200, shape=(16, 16, 1))
    assert [entry["model"] for entry in found] == ["same"]
