"""A run on pairs from two folders: from the folders to a pushed model, and files through it."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from components.image_example_gen.reasons import NO_IMAGE, NO_SOURCE
from iadb import load
from pipeline.cli import main
from pipeline.registry import serving
from pipeline.translation.held_out import draw_rows
from tests.pipeline.conftest import NODES, Runs, states
from tests.pipeline.stand_ins import quick_evaluation
from trainer.common import exit_codes

pytestmark = pytest.mark.slow


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def negative(path, side=4):
    """The source of an image: its negative, small."""
    with Image.open(path) as image:
        pixels = 255 - np.asarray(image.convert("L"))
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits_folder):
    folder = tmp_path_factory.mktemp("pairs")
    images, sources = folder / "digits", folder / "negatives"
    shutil.copytree(digits_folder, images)
    files = sorted(images.rglob("*.png"))
    for file in files[1::2]:
        file.unlink()
    files = files[::2]
    for file in files[1:]:
        target = (sources / file.relative_to(images)).with_suffix(".bmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        negative(file).save(target)
    Image.new("L", (4, 4)).save(sources / "alone.png")
    runs = Runs(folder / "workspace", images)
    runs.sources, runs.files = sources, files
    runs.settings = (f"data.source={sources}", "model.source=condition")
    runs.first = runs.run(*runs.settings)
    return runs


@pytest.fixture(scope="module")
def mapped(runs, tmp_path_factory):
    """A copy of the workspace, in which the next model has the sources as x0."""
    mapped = runs.copy(tmp_path_factory.mktemp("mapped") / "workspace")
    mapped.first = mapped.run(*runs.settings, "model.source=map")
    return mapped


def test_a_run_ends_with_a_pushed_model_that_says_how_it_uses_sources(runs):
    assert states(runs.first) == dict.fromkeys(NODES, "done")
    metadata = serving.read_metadata(runs.first.pushed)
    assert metadata["source"]["degrade"] is None
    assert metadata["source"]["use"] == "condition"
    assert metadata["metrics"]["held_out_loss"] > 0


def test_files_without_a_partner_are_reported(runs):
    report = json.loads(runs.first.rejected_report.read_text("ascii"))
    alone = str(runs.files[0].relative_to(runs.data))
    assert report["rejected_files"] == [[f"{runs.sources}/alone.png", NO_IMAGE], [alone, NO_SOURCE]]
    assert report["accepted"] == len(runs.files) - 1


def test_the_model_serves_without_this_project(runs):
    result = iadb("serve-check", "--workspace", runs.workspace.folder)
    assert result.exit_code == 0, result.output


def test_sample_shows_source_result_and_image_in_rows(runs, tmp_path):
    grid = tmp_path / "rows.png"
    result = iadb("sample", "--workspace", runs.workspace.folder, "-o", grid, "--count", 4)
    assert result.exit_code == 0, result.output
    width, height = Image.open(grid).size
    assert height > width  # four rows of three
    rows = draw_rows(runs.workspace, serving.read_model(runs.first.pushed), 4, 0, None, None)
    for source, _, image in rows.astype(float):
        assert np.corrcoef(source.ravel(), image.ravel())[0, 1] < -0.5


def test_files_are_translated_as_they_are(runs, tmp_path):
    small = tmp_path / "small.png"
    negative(runs.files[0]).save(small)
    out = tmp_path / "out"
    result = iadb("translate", small, "--workspace", runs.workspace.folder, "-o", out)
    assert result.exit_code == 0, result.output
    with Image.open(out / "small.png") as translated:
        assert translated.size == (8, 8)


def test_the_same_examples_give_a_pushed_model_that_maps_sources(mapped):
    found = states(mapped.first)
    assert found["ImageExampleGen"] == "cached"
    assert (found["Trainer"], found["SampleEvaluator"], found["Pusher"]) == ("done",) * 3
    metadata = serving.read_metadata(mapped.first.pushed)
    assert metadata["source"]["use"] == "map"
    assert metadata["source"]["paired"] is True


def test_the_one_answer_to_a_source_is_judged_beside_its_image(mapped):
    metrics = mapped.first.metrics
    for name in ("psnr", "ssim", "feature_distance"):
        found = metrics["metrics"][name]
        assert None not in [found[k] for k in ("candidate", "source", "other", "answer")]
        assert found["mean_answer"] is None
    assert metrics["answers"] is None  # there is one to each source


def test_files_are_mapped_to_images_and_back(mapped, runs, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(8)]
    for file, image in zip(files, runs.files, strict=False):
        negative(image, 8).save(file)
    out = tmp_path / "out"
    result = iadb("translate", *files, "--workspace", mapped.workspace.folder, "-o", out)
    assert result.exit_code == 0, result.output
    model = serving.read_model(mapped.first.pushed)
    sources, translated = (
        np.stack([np.asarray(Image.open(folder / file.name)) for file in files])[..., np.newaxis]
        for folder in (tmp_path, out)
    )
    images = model.call("translate", {"source": sources, "nb_step": 2})
    np.testing.assert_array_equal(images, translated)
    images = model.call("translate", {"source": sources, "nb_step": 32})
    back = load(mapped.workspace.folder).invert(images, nb_step=32)
    errors, changes = (np.abs(x.astype(float) - sources).mean() for x in (back, images))
    assert errors < changes / 8  # about 1 and 35 gray levels


def test_the_model_is_judged_on_other_pairs(runs, tmp_path):
    command = (
        *("evaluate", runs.first.pushed, "--preset", "digits", "--real", runs.data),
        *("--set", "evaluate.samples=100", "-o", tmp_path / "evaluation"),
    )
    result = iadb(*command)
    assert result.exit_code == 2
    assert "name the folder with the sources of --real" in result.output
    train = tmp_path / "train"
    shutil.copytree(runs.data / "0", train)  # its images need no sources
    result = iadb(*command, "--source", runs.sources, "--train", train)
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    images = json.loads((tmp_path / "evaluation" / "images.json").read_text("ascii"))
    assert images["real"]["reasons"] == {NO_SOURCE: 1, NO_IMAGE: 1}
    assert images["training"]["reasons"] == {}


def test_a_changed_source_is_read_and_the_next_model_starts_from_the_last(runs, tmp_path):
    other = runs.copy(tmp_path / "copy")
    sources = tmp_path / "negatives"
    shutil.copytree(runs.sources, sources)
    target = (sources / runs.files[1].relative_to(runs.data)).with_suffix(".bmp")
    Image.new("L", (4, 4), 255).save(target)
    settings = [*runs.settings, f"data.source={sources}", "train.warm_start=true"]
    with quick_evaluation(runs.first.evaluation):
        last = other.run(*settings)
    assert states(last)["ImageExampleGen"] == "done"  # not cached
    base = other.workspace.folder / runs.first.model.relative_to(runs.workspace.folder)
    assert serving.read_metadata(last.model)["warm_started_from"] == str(base)
