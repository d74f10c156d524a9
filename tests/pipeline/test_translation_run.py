"""Runs whose model translates: from a folder to a pushed model, and files through it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from components.sample_evaluator.verdict.checks import MISSED, outcome_of, read_checks
from pipeline.cli import main
from pipeline.registry import serving
from tests.pipeline.conftest import states
from trainer.common import exit_codes

pytestmark = pytest.mark.slow


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """A copy of the workspace, in which the next model is conditional and repairs images.

    test_paired_run.py has a model that takes sources as a condition.
    """
    runs = trained.copy(tmp_path_factory.mktemp("translation") / "workspace")
    runs.first = runs.run(
        *("data.degrade=mask box", "model.source=map", "model.source_noise=0.1"),
        "model.conditional=true",
    )
    return runs


def test_a_run_ends_with_a_pushed_model_that_says_how_it_uses_sources(runs):
    found = states(runs.first)
    assert (found["Trainer"], found["SampleEvaluator"], found["Pusher"]) == ("done",) * 3
    metadata = serving.read_metadata(runs.first.pushed)
    assert metadata["source"]["degrade"] == "mask box"
    assert metadata["source"]["use"] == "map"
    assert len(metadata["labels"]) == 10
    assert metadata["metrics"]["held_out_loss"] > 0


def test_the_results_are_judged_beside_the_images_that_they_should_be(runs):
    metrics = runs.first.metrics
    for name in ("psnr", "ssim", "feature_distance", "consistency"):
        found = metrics["metrics"][name]
        assert None not in [found[k] for k in ("candidate", "source", "other", "mean_answer")]
        assert found["train"] is None
    assert metrics["answers"]["answers"] == 8
    assert metrics["answers"]["diversity"] > 0
    assert "mean answer" in runs.output
    report = runs.workspace.reports / "latest.html"
    assert "Results beside their images" in report.read_text("utf-8")


def test_evaluate_judges_other_images_in_the_same_way(runs, digits_folder, tmp_path):
    output = tmp_path / "evaluation"
    result = iadb(
        *("evaluate", runs.first.pushed, "--real", digits_folder, "--output", output),
        *("--set", "evaluate.samples=60", "--set", "evaluate.features=pixels"),
        *("--set", "evaluate.thresholds.psnr={minimum: 60}"),
    )
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    metrics = json.loads((output / "metrics.json").read_text("utf-8"))
    psnr = metrics["metrics"]["psnr"]
    assert outcome_of(read_checks(metrics), "psnr") == MISSED
    assert psnr["source"] > psnr["other"]
    assert metrics["answers"]["sources"] == 60
    assert (output / "pairs.png").exists()


def test_the_model_serves_without_this_project(runs):
    result = iadb("serve-check", "--workspace", runs.workspace.folder)
    assert result.exit_code == 0, result.output
    assert "translate" in result.output


def test_sample_shows_source_result_and_image_in_rows(runs, tmp_path):
    grid = tmp_path / "rows.png"
    result = iadb("sample", "--workspace", runs.workspace.folder, "-o", grid, "--count", 4)
    assert result.exit_code == 0, result.output
    width, height = Image.open(grid).size
    assert height > width  # four rows of three
    result = iadb("sample", "--workspace", runs.workspace.folder, "--gif", tmp_path / "x.gif")
    assert result.exit_code == 2


def test_files_are_translated_and_bad_ones_reported(runs, tmp_path):
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for file in files:
        Image.fromarray(np.zeros([8, 8, 4], np.uint8)).save(file)
    bad = tmp_path / "bad.png"
    bad.write_bytes(files[0].read_bytes()[:-30])
    out = tmp_path / "out"
    result = iadb(
        *("translate", *files, bad, "--workspace", runs.workspace.folder),
        *("-o", out, "--answers", 2),
    )
    assert result.exit_code == 3
    assert f"{bad}: damaged or truncated" in result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "a-1.png",
        "a-2.png",
        "b-1.png",
        "b-2.png",
    ]
    first, second = (np.asarray(Image.open(out / f"a-{n}.png")) for n in (1, 2))
    assert first.shape == (8, 8)
    assert np.any(first != second)
