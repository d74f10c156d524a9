"""Retraining on changed data: from the latest blessed model, and only where data did change."""

import json
import shutil
from contextlib import nullcontext

import pytest

from pipeline.registry import lineage, serving
from tests.pipeline.conftest import NODES, RESOLVERS, Runs, states
from tests.pipeline.stand_ins import quick_evaluation

# Several trainings; tests/unit/trainer/fit/test_warm_start.py and the resolvers' tests are quick.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits_folder, trained):
    """Three runs with a warm start asked for: on an empty store, unchanged, with a span more.

    The last alone has an evaluation of its own.
    """
    folder = tmp_path_factory.mktemp("data")
    data, holdout = folder / "digits", folder / "holdout"
    shutil.copytree(digits_folder, data / "span-1")
    for index, path in enumerate(sorted(data.glob("span-1/*/*.png"))):
        if index % 9 == 0:
            _move(path, data / "span-2" / path.parent.name)
        elif index % 9 == 1:
            _move(path, holdout / path.parent.name)
    runs = Runs(tmp_path_factory.mktemp("warm"), data)
    runs.found = []
    later = (data / "span-2").rename(folder / "later")
    for step in ("empty", "unchanged", "changed"):
        if step == "changed":
            later.rename(data / "span-2")
        settings = ("data.pattern=span-{SPAN}", "data.window=2", f"data.holdout={holdout}")
        quick = quick_evaluation(trained.first.evaluation)
        with nullcontext() if step == "changed" else quick:
            runs.found.append(runs.run("train.warm_start=true", *settings))
    return runs


def _move(path, folder):
    folder.mkdir(parents=True, exist_ok=True)
    path.rename(folder / path.name)


def started_from(run):
    return serving.read_metadata(run.model)["warm_started_from"]


def test_on_an_empty_store_the_start_is_cold_and_nothing_is_logged_as_an_error(runs):
    first = runs.found[0]
    assert states(first) == dict.fromkeys([*NODES, "BaseModel"], "done")
    assert first.blessed is True
    assert started_from(first) is None
    log = min(runs.workspace.logs.glob("*.log")).read_text("utf-8")
    assert log
    assert "Input resolution error" not in log
    assert "Traceback" not in log


def test_a_run_with_nothing_changed_finds_the_training_in_the_cache(runs):
    again = states(runs.found[1])
    done = {node for node, state in again.items() if state == "done"}
    assert done == {"BaseModel", *RESOLVERS}
    assert set(again.values()) == {"done", "cached"}


def test_a_run_on_changed_data_starts_from_the_blessed_model_with_lineage(runs):
    first, _, changed = runs.found
    assert changed.images("accepted") > first.images("accepted")
    assert started_from(changed) == str(first.model)
    store = lineage.connect(runs.workspace.metadata)
    base = first.artifacts["Trainer", "model"]
    assert _inputs(store, changed.artifacts["Trainer", "model"])["base_model"] == base.id


def test_a_window_of_spans_is_one_data_set_and_lineage_names_the_spans(runs):
    first, _, changed = runs.found
    for run, spans in ((first, [1]), (changed, [1, 2])):
        examples = run.artifacts["ImageExampleGen", "examples"]
        assert json.loads(examples.custom_properties["spans"].string_value) == spans
        assert examples.custom_properties["span"].int_value == spans[-1]
        report = json.loads(run.rejected_report.read_text("ascii"))
        assert [int(span) for span in report["by_span"]] == spans


def test_candidate_and_baseline_are_compared_with_what_is_held_out_for_good(runs):
    evaluation = runs.found[2].artifacts["SampleEvaluator", "evaluation"]
    for name in ("kid@holdout", "frechet_distance@holdout", "coverage@holdout"):
        found = runs.found[2].metrics["metrics"][name]
        assert found["baseline"] is not None
        stored = evaluation.custom_properties[name].double_value
        assert stored == pytest.approx(found["candidate"], abs=1e-6)  # of six digits


def test_a_new_span_is_compared_with_the_images_before_it(runs):
    first, again, changed = runs.found
    assert again.drift_summary == first.drift_summary == "not compared: no earlier images"
    assert changed.drift_summary == "no drift: 200 new images against 1,000 earlier ones"
    assert changed.drifted is False
    store = lineage.connect(runs.workspace.metadata)
    reference = first.artifacts["DriftGate", "verdict"]
    inputs = _inputs(store, changed.artifacts["DriftGate", "verdict"])
    assert inputs["reference"] == reference.id


def _inputs(store, artifact):
    """The inputs of the execution that made an artifact: ids by input key."""
    made = next(e for e in store.get_events_by_artifact_ids([artifact.id]) if e.type == e.OUTPUT)
    events = store.get_events_by_execution_ids([made.execution_id])
    return {e.path.steps[0].key: e.artifact_id for e in events if e.type == e.INPUT}
