"""A rollback and a promotion between runs: what later runs make of them."""

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.registry import lineage, serving
from pipeline.registry.models import load_models
from tests.pipeline.conftest import states
from tests.pipeline.stand_ins import quick_evaluation, quick_training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """A copy of the workspace, in which two more models were blessed and pushed."""
    folder = tmp_path_factory.mktemp("copy")
    with quick_training(trained.first), quick_evaluation(trained.first.evaluation):
        runs = trained.copy(folder / "workspace")
        runs.good, runs.bad = runs.run(), runs.run("train.seed=1")
        yield runs


def iadb(runs, command, *args):
    result = CliRunner().invoke(main, [command, *args, "--workspace", str(runs.workspace.folder)])
    assert result.exit_code == 0, result.output
    return result.output


def models(runs):
    store = lineage.connect(runs.workspace.metadata)
    return {model.number: model for model in load_models(store, runs.workspace.serving)}


def number(run):
    return run.artifacts["Trainer", "model"].id


def baseline(run):
    blessing = run.artifacts["SampleEvaluator", "blessing"]
    return blessing.custom_properties["baseline_model_id"].int_value


def test_a_rolled_back_model_stays_away_and_is_no_baseline(runs):
    assert models(runs)[number(runs.bad)].live
    output = iadb(runs, "rollback", "--reason", "six fingers")
    live = serving.latest_model(runs.workspace.serving)
    assert str(live) in output
    assert serving.find_live(runs.workspace.serving, runs.good.model) == live
    assert serving.check(live).returncode == 0

    again = runs.run("train.seed=1")
    assert states(again)["Trainer"] == "cached"
    assert again.blessed
    assert again.pushed is None
    assert "withdrawn: six fingers" in runs.output
    assert serving.latest_model(runs.workspace.serving) == live

    back = runs.run()
    assert number(back) == number(runs.good)
    assert serving.latest_model(runs.workspace.serving) == live
    assert str(live) in runs.output

    other = runs.run("train.seed=2")
    assert baseline(other) == number(runs.good)
    assert other.pushed == serving.latest_model(runs.workspace.serving)


def test_a_promoted_model_is_live_and_the_baseline_of_the_next(runs):
    too_strict = ("train.seed=3", "evaluate.thresholds.kid.maximum=0.0001")
    refused = runs.run(*too_strict)
    assert refused.pushed is None
    iadb(runs, "promote", str(number(refused)), "--reason", "looks better than it scores")
    live = serving.latest_model(runs.workspace.serving)
    assert serving.find_live(runs.workspace.serving, refused.model) == live
    model = models(runs)[number(refused)]
    assert (model.live, model.blessed) == (True, False)
    assert model.promoted == "looks better than it scores"
    assert "promoted by" in iadb(runs, "models")
    assert "live, promoted" in iadb(runs, "runs").splitlines()[-1]
    assert "looks better than it scores" in iadb(runs, "history").splitlines()[-1]

    again = runs.run(*too_strict)
    assert states(again)["SampleEvaluator"] == "cached"
    assert f"Model    {live}" in runs.output
    assert serving.latest_model(runs.workspace.serving) == live
    assert baseline(runs.run("train.seed=4")) == number(refused)
