"""What is left after `iadb clean` is what the next runs need."""

import pytest

from pipeline.registry import lineage, serving
from pipeline.registry.options import RetentionOptions
from pipeline.registry.retention import clean
from tests.pipeline.conftest import RESOLVERS, states
from tests.pipeline.stand_ins import quick_evaluation, quick_training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """A copy of the workspace with two more blessed models, in which little was kept."""
    folder = tmp_path_factory.mktemp("copy")
    with quick_training(trained.first), quick_evaluation(trained.first.evaluation):
        runs = trained.copy(folder / "workspace")
        runs.first = trained.first
        runs.found = [runs.run(f"train.seed={seed}") for seed in (6, 7)]
        clean(runs.workspace, RetentionOptions(versions=1, runs=1))
        yield runs


def number(run):
    return run.artifacts["Trainer", "model"].id


def test_the_newest_run_is_cached_and_its_model_stays_live(runs):
    again = runs.run("train.seed=7")
    assert number(again) == number(runs.found[-1])
    # The history of the evaluation has become shorter.
    done = {node for node, state in states(again).items() if state == "done"}
    assert done == {*RESOLVERS, "SampleEvaluator", "Pusher"}
    assert serving.find_live(runs.workspace.serving, runs.found[-1].model)


def test_what_was_removed_is_made_again_and_compared_with_what_stayed(runs):
    again = runs.run()
    assert states(again)["Transform"] == "cached"
    assert states(again)["Trainer"] == "done"
    assert number(again) != number(runs.first)
    blessing = again.artifacts["SampleEvaluator", "blessing"]
    baseline = blessing.custom_properties["baseline_model_id"].int_value
    assert baseline == number(runs.found[-1])
    assert len(again.metrics["history"]) == 2


def test_runs_and_models_are_still_told(runs):
    found = lineage.runs(lineage.connect(runs.workspace.metadata))
    assert [run.blessed for run in found].count(None) == 0
    assert all(run.images("accepted") == 1797 for run in found)
