"""The history reads earlier evaluations that can be compared, and passes over the others."""

import json

import pytest
from tfx.types.standard_artifacts import ModelEvaluation

from components.sample_evaluator.history import earlier_metrics


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


def content(uri, features="pixels", samples=200, kid=0.01):
    return json.dumps(
        {
            "features": features,
            "samples": samples,
            "model": {"uri": uri},
            "metrics": {"kid": {"candidate": kid}, "frechet_distance": {"candidate": None}},
        }
    )


def test_tells_the_values_in_the_order_of_the_evaluations(evaluation):
    made = [evaluation("b", content("models/2")), evaluation("a", content("models/9", kid=0.5))]
    day = "2026-05-28"
    assert earlier_metrics(made, "pixels", 200) == [
        {"model": "models/2", "evaluated": day, "metrics": {"kid": 0.01}},
        {"model": "models/9", "evaluated": day, "metrics": {"kid": 0.5}},
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
    assert [entry["model"] for entry in earlier_metrics(made, "pixels", 200)] == ["models/2"]
