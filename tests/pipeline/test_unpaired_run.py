"""A run on two folders that share no names: from the folders to a pushed model."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.registry import serving
from pipeline.translation.held_out import draw_rows
from tests.pipeline.conftest import NODES, Runs, states
from trainer.common import exit_codes

pytestmark = pytest.mark.slow

SOURCES = 300


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def write_negatives(digits_folder, folder):
    """Writes small negatives of some digits, under names of their own."""
    folder.mkdir(parents=True)
    for number, file in enumerate(sorted(digits_folder.rglob("*.png"))[:SOURCES]):
        with Image.open(file) as image:
            pixels = 255 - np.asarray(image.convert("L"))
        Image.fromarray(pixels).resize((4, 4), Image.Resampling.BOX).save(folder / f"{number}.bmp")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits_folder):
    folder = tmp_path_factory.mktemp("unpaired")
    runs = Runs(folder / "workspace", digits_folder)
    runs.sources = folder / "negatives"
    write_negatives(digits_folder, runs.sources)
    (runs.sources / "broken.png").write_bytes(b"no image")
    runs.settings = (
        *(f"data.source={runs.sources}", "data.pairing=none", "model.source=map"),
        "train.flip=true",
    )
    runs.first = runs.run(*runs.settings)
    return runs


def test_a_run_ends_with_a_pushed_model_that_maps_one_folder_to_the_other(runs):
    assert states(runs.first) == dict.fromkeys(NODES, "done")
    metadata = serving.read_metadata(runs.first.pushed)
    assert metadata["source"]["paired"] is False
    assert metadata["metrics"]["held_out_loss"] > 0


def test_sources_have_a_report_of_their_own(runs):
    line, *_ = (each for each in runs.first.image_remarks if each.startswith("sources: "))
    report = json.loads(Path(line.rpartition(" ")[2]).read_text("ascii"))
    assert line.startswith(f"sources: {SOURCES} of {SOURCES + 1} files accepted: ")
    assert [path for path, _ in report["rejected_files"]] == [f"{runs.sources}/broken.png"]
    assert min(report["splits"].values()) > 10


def test_results_are_judged_by_the_held_out_images_as_a_whole(runs):
    folder = runs.first.evaluation
    summary = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert "psnr" not in summary["metrics"]
    kid = summary["metrics"]["kid"]
    assert kid["source"] != kid["candidate"]
    # One result for each held-out source, and these are fewer than held-out images.
    images = summary["images"]
    assert images["candidate"] == images["real"] == images["source"] < 100
    report = (folder / "report.html").read_text("utf-8")
    assert "Results beside their sources" in report
    assert "Source and result of some held-out sources" in report


def test_sample_shows_source_and_result_in_rows(runs, tmp_path):
    grid = tmp_path / "rows.png"
    result = iadb("sample", "--workspace", runs.workspace.folder, "-o", grid, "--count", 4)
    assert result.exit_code == 0, result.output
    rows = draw_rows(runs.workspace, serving.read_model(runs.first.pushed), 4, 0, None, None)
    assert rows.shape == (4, 2, 8, 8, 1)
    assert rows[:, 0].mean() > 128  # negatives of digits


def test_files_are_translated_as_they_are(runs, tmp_path):
    with Image.open(runs.sources / "0.bmp") as image:
        image.save(tmp_path / "small.png")
    result = iadb(
        *("translate", runs.sources / "0.bmp", tmp_path / "small.png"),
        *("--workspace", runs.workspace.folder, "-o", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    results = [Image.open(tmp_path / "out" / name) for name in ("0.png", "small.png")]
    assert [translated.size for translated in results] == [(8, 8), (8, 8)]
    assert results[0].tobytes() == results[1].tobytes()  # of the same pixels


def test_the_model_is_judged_on_other_folders(runs, tmp_path):
    command = (
        *("evaluate", runs.first.pushed, "--preset", "digits", "--real", runs.data),
        *("--set", "evaluate.samples=100", "-o", tmp_path / "evaluation"),
    )
    result = iadb(*command)
    assert result.exit_code == 2
    assert "name the folder with images to translate (data.pairing=none)" in result.output
    result = iadb(*command, "--source", runs.sources)
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    images = json.loads((tmp_path / "evaluation" / "images.json").read_text("ascii"))
    assert images["sources"]["splits"] == {"source_eval": SOURCES}
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text("utf-8"))
    assert metrics["images"]["candidate"] == metrics["images"]["source"] == 100


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{data}", "the sources are in the same folder as their images"),
        ("{data}/0", "the sources are inside the folder of their images"),
        ("{empty}", "no image files below this folder"),
    ],
)
def test_folders_that_cannot_be_two_densities_are_refused(runs, tmp_path, source, problem):
    (tmp_path / "empty").mkdir()
    folder = source.format(data=runs.data, empty=tmp_path / "empty")
    result = iadb(
        *("run", "--preset", "digits", "--data", runs.data, "--workspace", tmp_path / "new"),
        *("--set", f"data.source={folder}", "--set", "data.pairing=none"),
        *("--set", "model.source=map"),
    )
    assert result.exit_code == exit_codes.DATA, result.output
    assert problem in result.output
    assert len(result.output.strip().splitlines()) <= 2
