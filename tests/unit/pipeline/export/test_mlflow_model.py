"""The folder for MLflow, loaded and served by MLflow itself, without this project."""

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.export import mlflow_loader
from tests.exported_models import write_sampler, write_translator
from tests.ports import reserved_port
from trainer.source.options import Source

ALONE = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # MLflow looks for uvicorn there
    "PYTHONPATH": "",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # without it, MLflow reports its use
}
LOAD = """
import sys
import mlflow.pyfunc, pandas
rows = pandas.DataFrame({"seed": [0, 5], "label": ["", "cat"]})
for number, png in enumerate(mlflow.pyfunc.load_model(sys.argv[1]).predict(rows)["image_bytes"]):
    open(f"{number}.png", "wb").write(png)
assert not {"iadb", "pipeline", "trainer", "tfx"} & sys.modules.keys()
"""
PATIENCE = 300  # seconds for the server to start, and for an answer


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with one version, of a conditional model."""
    folder = tmp_path_factory.mktemp("workspace")
    write_sampler(folder / "serving/7", labels=("cat", "dog"))
    return folder


@pytest.fixture(scope="module")
def exported(workspace):
    """The version as a folder for MLflow."""
    folder = workspace / "exported"
    result = export(workspace, folder)
    assert (result.exit_code, result.output) == (
        0,
        f"{workspace / 'serving/7'} for MLflow: {folder}\n",
    )
    return folder


def export(workspace, folder):
    arguments = ["--workspace", workspace, "--format", "mlflow", "-o", folder]
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def images_of(workspace, seeds, labels):
    model = tf.saved_model.load(str(workspace / "serving/7"))
    generate = model.signatures["generate"]
    seeds = tf.constant(seeds, tf.int64)
    return generate(seed=seeds, label=tf.constant(labels), nb_step=tf.constant(3))["image"].numpy()


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)))[..., None]


@pytest.mark.slow
def test_mlflow_loads_the_folder_and_draws_the_images_of_seeds(workspace, exported, tmp_path):
    command = [sys.executable, "-c", LOAD, exported]
    subprocess.run(command, cwd=tmp_path, env=ALONE, check=True, capture_output=True)
    found = [decode((tmp_path / f"{number}.png").read_bytes()) for number in range(2)]
    np.testing.assert_array_equal(found, images_of(workspace, [0, 5], ["", "cat"]))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_tables_longer_than_a_request_are_answered_in_parts(workspace, monkeypatch, count):
    model = mlflow_loader.ServedModel(str(workspace / "serving/7"))
    monkeypatch.setattr(model, "_at_once", 2)
    labels = ["cat"] * count
    rows = pd.DataFrame({"seed": range(count), "label": labels}, index=np.arange(count) / 2)
    found = [decode(png) for png in model.predict(rows)["image_bytes"]]
    assert len(found) == count
    if count:
        np.testing.assert_array_equal(found, images_of(workspace, [*range(count)], labels))


def test_an_unknown_class_is_reported_with_those_that_are_known(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException

    model = mlflow_loader.ServedModel(str(workspace / "serving/7"))
    rows = pd.DataFrame({"seed": [0, 1], "label": ["cat", "unicorn"]})
    expected = "unknown label; known: cat, dog; empty for none; got unicorn"
    with pytest.raises(MlflowException, match=expected):
        model.predict(rows)


def test_a_file_that_is_no_image_is_reported_with_its_row(tmp_path):
    from mlflow.exceptions import MlflowException

    limits = {"images": 16}
    write_translator(tmp_path / "7", Source(use="map", degrade="gray"), limits=limits)
    model = mlflow_loader._load_pyfunc(str(tmp_path / "7"))
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    rows = pd.DataFrame({"image_bytes": [png.getvalue()] * 17 + [b"junk"]})
    with pytest.raises(MlflowException, match=r"^image_bytes, row 17: neither a PNG nor"):
        model.predict(rows)
    assert len(model.predict(rows[:17])) == 17


def test_no_label_stands_for_any_class(workspace):
    model = mlflow_loader.ServedModel(str(workspace / "serving/7"))
    rows = pd.DataFrame({"seed": [0, 5], "label": [None, "cat"]})
    found = [decode(png) for png in model.predict(rows)["image_bytes"]]
    np.testing.assert_array_equal(found, images_of(workspace, [0, 5], ["", "cat"]))


@pytest.mark.slow
def test_mlflow_serves_the_folder(workspace, exported, tmp_path):
    with serving(exported, tmp_path) as ask:
        rows = [{"seed": 0, "label": ""}, {"seed": 5, "label": "cat"}]
        answers = ask({"dataframe_records": rows})["predictions"]
        found = [decode(base64.b64decode(answer["image_bytes"])) for answer in answers]
        np.testing.assert_array_equal(found, images_of(workspace, [0, 5], ["", "cat"]))
        with pytest.raises(urllib.error.HTTPError, match="400") as raised:
            ask({"dataframe_records": [{"seed": 0, "label": "unicorn"}]})
        assert "known: cat, dog" in raised.value.read().decode()


@contextlib.contextmanager
def serving(folder, place):
    """A server of MLflow, and a function that asks it."""
    with reserved_port() as port:
        where = ["--host", "127.0.0.1", "--port", str(port)]
        arguments = ["-m", folder, "--env-manager", "local", *where]
        command = [sys.executable, "-m", "mlflow", "models", "serve", *arguments]
        address = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(command, cwd=place, env=ALONE, start_new_session=True)
        try:
            end = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}/ping", timeout=10)
                    break
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.2)

            def ask(body):
                head = {"Content-Type": "application/json"}
                request = urllib.request.Request(
                    f"{address}/invocations", json.dumps(body).encode(), head
                )
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                    return json.load(answer)

            yield ask
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)  # the server is its child
            process.wait()


def columns_of(folder):
    """The names and types of inputs that MLflow checks."""
    inputs = yaml.safe_load((folder / "MLmodel").read_text())["signature"]["inputs"]
    return {column["name"]: column["type"] for column in json.loads(inputs)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("condition", {"image_bytes": "binary", "seed": "long"}),
        ("map", {"image_bytes": "binary"}),
    ],
)
def test_a_model_that_translates_takes_the_inputs_of_its_signature(tmp_path, use, expected):
    source = Source(use=use, degrade="gray")
    write_translator(tmp_path / "serving/7", source)
    assert export(tmp_path, tmp_path / "exported").exit_code == 0
    signature = tf.saved_model.load(str(tmp_path / "serving/7")).signatures["serving_default"]
    assert columns_of(tmp_path / "exported") == expected
    assert signature.structured_input_signature[1].keys() == expected.keys()


def test_the_folder_names_what_it_needs_for_each_manager_of_environments(exported):
    flavor = yaml.safe_load((exported / "MLmodel").read_text())["flavors"]["python_function"]
    python, conda = (
        yaml.safe_load((exported / flavor["env"][manager]).read_text())
        for manager in ("virtualenv", "conda")
    )
    needed = (exported / "requirements.txt").read_text().splitlines()
    assert f"tensorflow=={tf.__version__}" in needed
    assert python["dependencies"] == ["-r requirements.txt"]
    assert conda["dependencies"][-1] == {"pip": needed}
    assert f"python={python['python']}" in conda["dependencies"]


def test_a_folder_that_is_there_is_not_replaced(workspace, exported):
    result = export(workspace, exported)
    assert result.exit_code == 2 and "name a new folder with -o" in result.output
