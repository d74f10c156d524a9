"""`iadb evaluate` beside the pipeline: the same numbers, the same files, for models and folders."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from click.testing import CliRunner

from pipeline.cli import main
from tests.pipeline.conftest import TINY
from trainer import examples
from trainer.common import exit_codes

GRAY_8 = ("--set", "data.resolution=8", "--set", "data.channels=1")


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def read_metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def splits(trained, tmp_path_factory):
    """The images of the finished workspace as folders, one a split, under their own paths."""
    folder = tmp_path_factory.mktemp("splits")
    artifact = trained.first.artifacts["ImageExampleGen", "examples"].uri
    for split in (examples.TRAIN, examples.EVAL):
        files = tf.io.gfile.glob(f"{artifact}/Split-{split}/*.gz")
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            path, png = (
                feature[name].bytes_list.value[0] for name in (examples.PATH, examples.IMAGE)
            )
            target = folder / split / path.decode()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(png)
    return folder


@pytest.mark.slow
def test_a_model_gets_the_numbers_that_the_pipeline_gave_it(trained, splits, tmp_path):
    settings = [f"--set={override}" for override in TINY]
    result = iadb(
        *("evaluate", trained.first.pushed, "--preset", "digits", *settings),
        *("--real", splits / examples.EVAL, "--train", splits / examples.TRAIN),
        *("-o", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    expected, found = read_metrics(trained.first.evaluation), read_metrics(tmp_path / "out")
    differing = {"model", "history", "folders", "evaluated"}
    assert_close(
        {key: value for key, value in found.items() if key not in differing},
        {key: value for key, value in expected.items() if key not in differing},
    )
    assert found["model"] == {"uri": str(trained.first.pushed)}
    # log and images.json come on top, pictures of the real images are in the report
    names = {path.name for path in trained.first.evaluation.iterdir()}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *names,
        "evaluate.log",
        "images.json",
    }
    assert tfma.load_eval_result(str(tmp_path / "out"), model_name="candidate").slicing_metrics
    assert "✓ Blessed" in (tmp_path / "out" / "report.html").read_text()
    assert "200 samples of" in result.output
    assert "blessed: kid" in result.output
    (times,) = re.findall(r"^Time .*", result.output, re.MULTILINE)
    whole, *parts = map(float, re.findall(r"([\d.]+) s", times))
    assert sum(parts) == pytest.approx(whole, abs=0.05 * (len(parts) + 1))
    for name in ("loading the model", "features", "other"):
        assert f" {name} " in times


def assert_close(found, expected):
    """Compares JSON, its numbers to 1e-6."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    else:
        assert type(found) is type(expected)
        if not isinstance(expected, str):
            assert found == expected


def test_a_folder_is_compared_with_half_of_another_and_a_bad_file_is_named(splits, tmp_path):
    candidate = tmp_path / "candidate"
    shutil.copytree(splits / examples.EVAL, candidate)
    (candidate / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    result = iadb("evaluate", candidate, "--real", splits / examples.TRAIN, *GRAY_8, "-o", out)
    assert result.exit_code == 0, result.output
    reports = json.loads((out / "images.json").read_text())
    assert reports["candidate"]["rejected_files"] == [["broken.png", "not an image"]]
    assert "'broken.png' (not an image)" in result.output
    halves = reports["real"]["splits"]
    count = min(halves["eval"], reports["candidate"]["splits"]["candidate"])
    metrics = read_metrics(out)
    assert metrics["images"] == {
        "candidate": count,
        "real": count,
        "train": min(count, halves["train"]),
        "noise": count,
    }
    assert f"the other {halves['train']}, split by hash: the floor" in result.output
    assert metrics["nb_step"] is None
    page = (out / "report.html").read_text()
    assert f"Samples, some of {count}, chosen by hash" in page
    assert "solver steps" not in page
    # Other images of the same data: as near as training images are.
    assert metrics["metrics"]["coverage"]["candidate"] > 0.9


@pytest.mark.slow
def test_a_model_is_compared_with_what_its_training_held_out(trained, tmp_path):
    out = tmp_path / "out"
    settings = [f"--set={override}" for override in TINY]
    where = ("--real", trained.data, "-o", out)
    result = iadb("evaluate", trained.first.pushed, "--preset", "digits", *settings, *where)
    assert result.exit_code == 0, result.output
    examples_folder = Path(trained.first.artifacts["ImageExampleGen", "examples"].uri)
    expected = json.loads((examples_folder / "rejected.json").read_text())["splits"]
    assert json.loads((out / "images.json").read_text())["real"]["splits"] == expected
    assert "held out, if it read this folder, by data.eval_percent=20" in result.output
    folders = read_metrics(out)["folders"]
    held_out = f"those of {trained.data} that the training held out, if it read this folder"
    assert folders["held-out images"] == held_out


@pytest.mark.slow
def test_a_folder_of_held_out_images_alone_says_to_name_those_of_the_training(
    trained, splits, tmp_path
):
    where = ("--real", splits / examples.EVAL, "-o", tmp_path / "out")
    result = iadb("evaluate", trained.first.pushed, "--preset", "digits", *where)
    assert result.exit_code == exit_codes.DATA
    assert "no image is in the train split" in result.output
    assert "name the images that the model was trained on with --train" in result.output


@pytest.mark.slow
def test_one_class_is_not_blessed_for_all_ten_and_held_out_images_can_be_halved(splits, tmp_path):
    out = tmp_path / "out"
    one = splits / examples.TRAIN / "3"
    result = iadb("evaluate", one, "--real", splits / examples.EVAL, *GRAY_8, "-o", out)
    assert result.exit_code == exit_codes.NOT_BLESSED, result.output
    reasons = json.loads((out / "metrics.json").read_text())["reasons"]
    assert any(reason.startswith("coverage ") for reason in reasons), reasons
    halves = json.loads((out / "images.json").read_text())["real"]["splits"]
    assert min(halves.values()) > 100


@pytest.mark.slow
def test_an_interrupted_evaluation_leaves_nothing_behind(splits, tmp_path):
    code = "from pipeline.cli import main; main()"
    candidate, real = (str(splits / split) for split in (examples.EVAL, examples.TRAIN))
    process = subprocess.Popen(
        [sys.executable, "-c", code, "evaluate", candidate, "--real", real, *GRAY_8, "-o", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while not list(tmp_path.glob("out.partial-*/scratch/transform_graph")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=600)
    assert process.returncode == exit_codes.INTERRUPTED, output + error
    assert error == "iadb: interrupted; this evaluation was discarded\n"
    assert list(tmp_path.iterdir()) == []
