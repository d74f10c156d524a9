"""The whole pipeline, in this process, on real images."""

import json
import shutil
import time

import numpy as np
import pytest

from components.image_example_gen.errors import ImageDataError
from pipeline import graph
from pipeline.config.pipeline_config import ConfigError
from pipeline.drawing import draw_samples
from pipeline.registry import lineage, serving
from pipeline.registry.names import Outcome
from pipeline.registry.outcome import read_result
from tests.pipeline.conftest import NODES, RESOLVERS, Runs, states
from tests.pipeline.stand_ins import quick_evaluation, quick_training
from trainer.names import CARD_SAMPLES, MODEL_CARD


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """A copy of the workspace with one more run, and quick trainings from there on."""
    folder = tmp_path_factory.mktemp("runs")
    runs = trained.copy(folder / "workspace")
    with quick_training(trained.first):
        with quick_evaluation(trained.first.evaluation):
            runs.run()
        yield runs


@pytest.fixture
def quick(trained):
    """Makes evaluations quick as well."""
    with quick_evaluation(trained.first.evaluation):
        yield


def test_a_folder_of_images_becomes_a_pushed_sampler(trained):
    assert states(trained.first) == dict.fromkeys(NODES, "done")
    assert trained.first.images("accepted") == 1797
    assert trained.first.images("rejected") == 0
    assert trained.first.blessed is True
    model = serving.latest_model(trained.workspace.serving)
    assert trained.first.pushed == model
    images = draw_samples(serving.read_model(model), range(5))
    assert images.shape == (5, 8, 8, 1)
    assert images.dtype == np.uint8


def test_a_pushed_version_has_the_card_of_its_model(trained):
    card = (trained.first.pushed / MODEL_CARD).read_text("utf-8")
    assert f"# Model {trained.first.model_number}\n" in card
    assert f"| folder | {trained.data.name} |" in card
    assert "| images | 1,797, including " in card
    assert "| train.steps | 12 |" in card
    kid = trained.first.metrics["metrics"]["kid"]["candidate"]
    assert f"| kid | {kid:.4g} |" in card
    samples = trained.first.evaluation / "samples.png"
    assert (trained.first.pushed / CARD_SAMPLES).read_bytes() == samples.read_bytes()
    assert "spans" not in card


def test_the_summary_names_images_metrics_verdict_model_and_report(trained):
    output = trained.output
    assert "1,797 accepted" in output
    assert "held-out images of 8x8 in gray: judged by kid" in output
    assert "Drift    not compared: no earlier images" in output
    assert "kid" in output
    assert "blessed" in output
    assert str(trained.first.pushed) in output
    assert str(trained.workspace.reports / "latest.html") in output
    assert (trained.workspace.reports / "latest.html").stat().st_size > 1000
    samples = trained.first.evaluation / "samples.png"
    assert trained.workspace.latest_samples.read_bytes() == samples.read_bytes()


def test_nodes_and_verdict_are_events_for_programs_to_read(trained):
    lines = min(trained.workspace.logs.glob("*.jsonl")).read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    nodes = {event["node"]: event["state"] for event in events if "node" in event}
    assert nodes == dict.fromkeys(NODES, "done")
    assert events[-1]["blessed"] is True
    assert events[-1]["version"] == int(trained.first.pushed.name)
    result = read_result(min(trained.workspace.results.iterdir()))
    assert (result.outcome, result.runs) == (Outcome.BLESSED, (trained.first.id,))
    assert result.version == events[-1]["version"]
    assert result.report.parent == trained.workspace.reports and result.report.exists()


def test_the_events_of_a_failed_run_say_why_it_failed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.png").write_bytes(b"not an image")
    runs = Runs(tmp_path / "workspace", tmp_path / "data")
    with pytest.raises(ImageDataError) as error:
        runs.run()
    (events,) = runs.workspace.logs.glob("*.jsonl")
    errors = [event for event in map(json.loads, events.open()) if event["level"] == "ERROR"]
    assert errors[-1]["message"] == f"The run failed: {error.value}"


def test_the_metadata_beside_the_model_says_how_it_was_made(trained):
    metadata = serving.read_metadata(trained.first.pushed)
    assert metadata["nb_step"] == 2
    assert metadata["shape"] == [8, 8, 1]
    assert metadata["config"]["train"]["steps"] == 12
    assert metadata["metrics"]["images_seen"] == 12 * 32
    assert metadata["metrics"]["loss"] > 0


def test_a_run_with_nothing_changed_is_cached_in_every_node(runs, quick):
    runs.run()
    again = runs.run()
    assert set(states(again).values()) <= {"cached", "done"}
    assert {node for node, state in states(again).items() if state == "done"} == RESOLVERS


@pytest.mark.slow
def test_a_change_of_the_training_runs_trainer_and_what_follows_and_nothing_before(
    trained, tmp_path
):
    runs = trained.copy(tmp_path / "workspace")
    with quick_training(trained.first):
        with quick_evaluation(trained.first.evaluation):
            runs.run()
        run = runs.run("train.seed=1")
    done = [node for node, state in states(run).items() if state == "done"]
    assert done == ["DriftReference", "Trainer", "Baseline", "SampleEvaluator", "Pusher"]
    assert run.metrics["metrics"]["kid"]["baseline"] is not None
    kid = trained.first.metrics["metrics"]["kid"]["candidate"]
    assert [earlier["metrics"]["kid"] for earlier in run.metrics["history"]] == [kid, kid]


@pytest.mark.slow
def test_a_change_of_the_trainers_code_runs_it_again(runs, quick, monkeypatch):
    def changed(module):
        return "0" * 16 if module == graph.TRAINING else source_hash(module)

    source_hash = graph.source_hash
    monkeypatch.setattr(graph, "source_hash", changed)
    run = runs.run()
    done = [node for node, state in states(run).items() if state == "done"]
    assert done[:2] == ["DriftReference", "Trainer"]


@pytest.mark.slow
def test_a_model_that_misses_its_threshold_is_reported_and_not_pushed(runs, quick):
    before = sorted(runs.workspace.serving.iterdir())
    run = runs.run("evaluate.thresholds.kid.maximum=0.0001")
    assert run.blessed is False
    assert run.pushed is None
    assert sorted(runs.workspace.serving.iterdir()) == before
    assert "not blessed" in runs.output
    assert "kid" in " ".join(run.metrics["reasons"])


@pytest.mark.slow
def test_the_model_of_an_earlier_configuration_is_pushed_again_when_it_comes_back(runs, quick):
    serving_folder = runs.workspace.serving
    first = runs.run()
    other = runs.run("train.seed=1")
    assert serving.find_live(serving_folder, other.model)
    time.sleep(1)  # TFX names versions by the second
    runs.run()
    live = serving.find_live(serving_folder, first.model)
    assert live == serving.latest_model(serving_folder)
    assert f"Model    {live}" in runs.output
    runs.run()
    assert serving.latest_model(serving_folder) == live


def test_a_model_whose_served_copy_was_removed_is_pushed_again(runs, quick, tmp_path):
    run = runs.run()
    serving_folder = runs.workspace.serving
    serving_folder.rename(tmp_path / "serving")
    runs.run()
    live = serving.find_live(serving_folder, run.model)
    assert live is not None
    assert f"Model    {live}" in runs.output
    shutil.rmtree(serving_folder)
    (tmp_path / "serving").rename(serving_folder)


def test_a_workspace_inside_the_data_folder_is_refused(tmp_path, digits_folder):
    runs = Runs(tmp_path / "images" / "workspace", tmp_path / "images")
    with pytest.raises(ConfigError, match="choose a workspace outside"):
        runs.run()
    runs.data = digits_folder
    with pytest.raises(ConfigError, match=r"^data\.holdout: the workspace"):
        runs.run(f"data.holdout={tmp_path}")
    assert not runs.workspace.folder.exists()


def test_a_schema_file_that_is_none_is_told_before_anything_starts(tmp_path, digits_folder):
    (tmp_path / "schema.pbtxt").write_text("root:x:0:0")
    runs = Runs(tmp_path / "workspace", digits_folder)
    with pytest.raises(ConfigError, match=r"schema\.pbtxt is not a schema"):
        runs.run(f"validation.schema_file={tmp_path}/schema.pbtxt")


def test_runs_are_listed_oldest_first(trained, runs):
    store = lineage.connect(runs.workspace.metadata)
    found = lineage.runs(store)
    assert len(found) > 1
    assert found[0].id == trained.first.id
    assert [run.started for run in found] == sorted(run.started for run in found)


@pytest.mark.slow
def test_beam_runner_and_local_runner_come_to_the_same_result(trained, tmp_path, digits_folder):
    other, first = Runs(tmp_path, digits_folder), trained.first
    run = other.run(runner="beam")
    assert states(run) == dict.fromkeys(NODES, "done")
    assert serving.find_live(other.workspace.serving, run.model)
    for name, values in first.metrics["metrics"].items():
        assert run.metrics["metrics"][name]["candidate"] == pytest.approx(values["candidate"])
    local, beam = (sorted(_examples(each).glob("Split-*/*.gz")) for each in (first, run))
    assert [path.read_bytes() for path in local] == [path.read_bytes() for path in beam]


def _examples(run):
    return run.rejected_report.parent


def test_the_rejected_files_are_named_beside_the_examples(trained):
    report = json.loads(trained.first.rejected_report.read_text("utf-8"))
    assert report["files"] == 1797
    assert report["rejected_files"] == []
