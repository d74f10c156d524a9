import shutil
from unittest.mock import Mock

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.exported_models import write_sampler, write_with_network
from trainer.common import exit_codes
from trainer.light import network_file
from trainer.light.network_file import seal
from trainer.names import FINGERPRINT, METADATA, NETWORK
from trainer.serving import onnx_network


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with one version, without a network beside it."""
    folder = tmp_path_factory.mktemp("workspace")
    write_sampler(folder / "serving/7")
    return folder


def iadb_export(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.mark.parametrize("named", [True, False])
def test_the_network_of_a_model_is_written_as_onnx(workspace, tmp_path, named):
    model, file = workspace / "serving/7", tmp_path / "network.onnx"
    arguments = [model] if named else ["--workspace", workspace]
    result = iadb_export(*arguments, "--format", "onnx", "-o", file)
    assert (result.exit_code, result.output) == (0, f"network of {model}: {file}\n")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feed = {"x_alpha": np.ones((2, 8, 8, 1), np.float32), "alpha": np.ones(2, np.float32)}
    assert session.run(["difference"], feed)[0].shape == (2, 8, 8, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


def test_the_network_beside_a_model_is_copied_if_it_is_of_this_model(tmp_path, monkeypatch):
    convert = Mock(return_value=b"converted")
    monkeypatch.setattr(onnx_network, "convert_saved_model", convert)
    model, file = tmp_path / "model", tmp_path / "network.onnx"
    write_with_network(model)
    result = iadb_export(model, "-o", file)
    assert (result.exit_code, result.output) == (0, f"network of {model}: {file}\n")
    assert file.read_bytes() == (model / NETWORK).read_bytes()
    convert.assert_not_called()

    (model / FINGERPRINT).write_bytes(b"of another model")
    assert iadb_export(model, "-o", file).exit_code == 0
    assert file.read_bytes() == b"converted"
    for damaged in (b"damaged", seal(b"not ONNX"), seal(_about("[]")), seal(_about("{}"))):
        (model / NETWORK).write_bytes(damaged)
        file.unlink()
        assert iadb_export(model, "-o", file).exit_code == 0
        assert file.read_bytes() == b"converted"


def _about(text):
    """A network with these metadata."""
    network = onnx.ModelProto()
    network.metadata_props.add(key=network_file.METADATA, value=text)
    return network.SerializeToString()


def test_a_network_takes_the_place_of_an_earlier_one_and_of_nothing_else(tmp_path):
    model, file, notes = tmp_path / "model", tmp_path / "network.onnx", tmp_path / "notes.md"
    write_with_network(model)
    notes.write_text("my notes")
    result = iadb_export(model, "-o", notes)
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: {notes} is no intact network of a model; remove it")
    assert notes.read_text() == "my notes"
    inside = model / "saved_model.pb"
    before = inside.read_bytes()
    result = iadb_export(model, "-o", inside)
    assert result.exit_code == exit_codes.USAGE
    assert result.output == f"iadb: {inside} lies in the model; name another file with -o\n"
    assert inside.read_bytes() == before
    (tmp_path / "link.onnx").symlink_to(file)
    (tmp_path / "empty").touch()
    for output in (file, file, tmp_path / "link.onnx", tmp_path / "empty"):
        assert iadb_export(model, "-o", output).exit_code == 0
    assert (tmp_path / "link.onnx").is_symlink()


@pytest.mark.parametrize("kind", ["onnx", "hub", "mlflow"])
def test_nothing_is_exported_among_the_versions_that_are_served(workspace, tmp_path, kind):
    output = workspace / "serving" / "99"
    copy = tmp_path / "model"
    shutil.copytree(workspace / "serving" / "7", copy)
    for arguments in ([workspace / "serving" / "7"], [copy, "--workspace", workspace]):
        result = iadb_export(*arguments, "--format", kind, "-o", output)
        assert result.exit_code == exit_codes.USAGE
        assert result.output.startswith(f"iadb: {output} lies among the versions that are served")
        assert not output.exists()


def test_what_is_no_model_is_an_error_of_one_line(tmp_path):
    result = iadb_export(tmp_path, "-o", tmp_path / "network.onnx")
    assert result.exit_code == exit_codes.USAGE
    assert result.output.count("\n") == 1 and "not a model that `iadb run` pushed" in result.output


def test_a_model_that_does_not_load_is_an_error_of_one_line(tmp_path):
    model = tmp_path / "model"
    (model / METADATA).parent.mkdir(parents=True)
    (model / METADATA).write_text("{}")
    (model / "saved_model.pb").write_bytes(b"junk")
    result = iadb_export(model, "-o", tmp_path / "network.onnx")
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith(f"iadb: {model} does not load as a SavedModel")
    assert result.output.count("\n") == 1 and not (tmp_path / "network.onnx").exists()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = iadb_export(tmp_path)
    assert result.exit_code == exit_codes.USAGE
    assert result.output == (
        "iadb: tf2onnx is missing; in the folder of the project, run: pip install '.[onnx]'\n"
    )
