"""`iadb evaluate --baseline`: models and folders beside each other, as beside a blessed model."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits

from components.image_example_gen.example import pixel_hash, split_of
from pipeline.cli import main
from tests.stock_sampler import StockSampler
from trainer.common import exit_codes
from trainer.names import METADATA

pytestmark = pytest.mark.slow

SETTINGS = (
    "data.resolution=8",
    "data.channels=1",
    "evaluate.features=pixels",
    "evaluate.max_memorized=1.0",  # half of a copy of --real are training images
)


def write_model(folder, stock, **metadata):
    sampler = StockSampler(stock[..., None])
    tf.saved_model.save(sampler, str(folder), signatures={"generate": sampler.generate})
    (folder / METADATA).parent.mkdir(exist_ok=True)
    (folder / METADATA).write_text(json.dumps({"nb_step": 1, **metadata}))


def write_images(folder, stock):
    folder.mkdir()
    for i, image in enumerate(stock):
        Image.fromarray(image).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Real images, and other ones of the same data, with and without noise, both ways."""
    folder = tmp_path_factory.mktemp("judged")
    digits = np.round(load_digits().images * 255 / 16).astype(np.uint8)
    digits = digits[np.random.default_rng(0).permutation(len(digits))]
    noise = np.random.default_rng(1).normal(0, 64, digits.shape)
    noisy = np.clip(digits + noise, 0, 255).astype(np.uint8)
    write_images(folder / "real", digits[:400])
    write_images(folder / "noisy", noisy[400:600])
    write_model(folder / "clean_model", digits[600:900])
    write_model(folder / "small_model", digits[:, ::2, ::2])
    write_model(folder / "recorded", digits[600:900], split={"data.eval_percent": 30})
    return folder


@pytest.fixture
def evaluate(judged, tmp_path):
    """Calls the command; returns the result and metrics.json, None after a failure."""

    def call(candidate, baseline):
        settings = [f"--set={setting}" for setting in SETTINGS]
        where = ("--real", judged / "real", "-o", tmp_path / "out")
        arguments = ("evaluate", judged / candidate, "--baseline", judged / baseline, *where)
        result = CliRunner().invoke(main, [*map(str, arguments), *settings])
        file = tmp_path / "out" / "metrics.json"
        return result, json.loads(file.read_text()) if file.exists() else None

    return call


def test_a_folder_that_is_worse_than_a_model_is_not_blessed(evaluate, judged):
    result, metrics = evaluate("noisy", "clean_model")
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    assert metrics["baseline"] == {"uri": str(judged / "clean_model"), "status": "compared"}
    assert metrics["images"]["baseline"] == metrics["images"]["candidate"]
    kid = metrics["metrics"]["kid"]
    assert kid["worsening"] > 0
    (reason,) = [text for text in metrics["reasons"] if text.startswith("kid")]
    assert f"is worse than the baseline's {kid['baseline']:.4g}" in reason
    assert (
        f"the baseline: {metrics['samples']} samples of {judged / 'clean_model'}, seeds 0 to"
        in (result.output)
    )


def test_what_the_training_of_the_baseline_held_out_is_compared(evaluate, judged, tmp_path):
    result, _ = evaluate("noisy", "recorded")
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    held_out = 0
    for file in (judged / "real").iterdir():
        with Image.open(file) as image:
            held_out += split_of(pixel_hash(np.array(image)[..., None]), 30) == "eval"
    splits = json.loads((tmp_path / "out" / "images.json").read_text())["real"]["splits"]
    assert splits == {"train": 400 - held_out, "eval": held_out}
    assert "held out, if it read this folder, by data.eval_percent=30" in result.output


def test_a_folder_that_is_better_than_another_is_blessed_and_copies_are_counted(
    evaluate, judged, tmp_path
):
    shutil.copytree(judged / "real", judged / "copied")
    result, metrics = evaluate("copied", "noisy")
    assert result.exit_code == 0, result.output
    assert metrics["metrics"]["kid"]["baseline"] > metrics["metrics"]["kid"]["candidate"]
    assert "is not worse than the baseline's" in result.output
    count, equal = metrics["samples"], metrics["equal_to_held_out"]
    assert count / 4 < equal <= count  # half of --real is compared, and half of the copy chosen
    warning = f"{equal} of {count} samples equal held-out images pixel by pixel"
    assert metrics["warnings"][0].startswith(warning)
    assert warning in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_baseline_of_another_shape_is_an_error_before_images_are_read(evaluate):
    result, metrics = evaluate("clean_model", "small_model")
    assert metrics is None
    assert result.exit_code == exit_codes.USAGE
    assert result.output.splitlines()[-1] == (
        "iadb: the candidate draws images of shape (8, 8, 1), the baseline (4, 4, 1); only models "
        "of equal shapes can be compared"
    )
