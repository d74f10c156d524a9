"""Retraining on changed data: from the latest blessed model, and only where data did change."""

import shutil

import pytest

from pipeline import lineage, serving
from tests.pipeline.conftest import NODES, Runs, states


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits_folder):
    """Three runs with a warm start asked for: on an empty store, unchanged, on changed data."""
    data = tmp_path_factory.mktemp("data") / "digits"
    shutil.copytree(digits_folder, data)
    runs = Runs(tmp_path_factory.mktemp("warm"), data)
    runs.found = []
    for step in ("empty", "unchanged", "changed"):
        if step == "changed":
            for path in sorted(data.glob("*/*.png"))[::9]:
                path.unlink()
        runs.found.append(runs.run("train.warm_start=true"))
    return runs


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
    assert done == {"BaseModel", "Baseline"}  # resolvers always run
    assert set(again.values()) == {"done", "cached"}


def test_a_run_on_changed_data_starts_from_the_blessed_model_with_lineage(runs):
    first, _, changed = runs.found
    assert changed.images("accepted") < first.images("accepted")
    assert started_from(changed) == str(first.model)
    store = lineage.connect(runs.workspace.metadata)
    base = first.artifacts["Trainer", "model"]
    assert _inputs(store, changed.artifacts["Trainer", "model"])["base_model"] == base.id


def _inputs(store, artifact):
    """The inputs of the execution that made an artifact: ids by input key."""
    made = next(e for e in store.get_events_by_artifact_ids([artifact.id]) if e.type == e.OUTPUT)
    events = store.get_events_by_execution_ids([made.execution_id])
    return {e.path.steps[0].key: e.artifact_id for e in events if e.type == e.INPUT}
