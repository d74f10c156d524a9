import shlex

import click
import pytest
from click.testing import CliRunner

from components.source_hash import PACKAGES
from pipeline.cli import main
from pipeline.registry import serve_check, serving
from trainer.names import FINGERPRINT, METADATA


def version(folder, name, complete=True):
    (folder / name).mkdir(parents=True)
    if complete:
        (folder / name / "saved_model.pb").write_bytes(b"")
    return folder / name


def test_the_newest_complete_version_is_the_latest(tmp_path):
    version(tmp_path, "9")
    newest = version(tmp_path, "10")
    version(tmp_path, "11", complete=False)
    version(tmp_path, "copy-of-12")
    assert serving.latest_model(tmp_path) == newest


def test_a_version_without_a_fingerprint_is_not_taken_for_the_model(tmp_path):
    model = version(tmp_path, "model")
    live = version(tmp_path / "serving", "1")
    assert serving.find_live(tmp_path / "serving", model) is None
    (model / FINGERPRINT).write_bytes(b"a")
    assert serving.find_live(tmp_path / "serving", model) is None
    (live / FINGERPRINT).write_bytes(b"a")
    assert serving.find_live(tmp_path / "serving", model) == live


@pytest.mark.parametrize("folder", ["missing", "."])
def test_without_a_version_the_error_says_what_makes_one(tmp_path, folder):
    with pytest.raises(serving.NoModelError, match="`iadb run` pushes one"):
        serving.latest_model(tmp_path / folder)


def train(workspace, execution):
    return version(workspace / "artifacts" / "Trainer" / "model" / execution, "Format-Serving")


def test_without_a_version_the_newest_trained_model_is_named(tmp_path):
    workspace = tmp_path / "it's"
    for execution in ("9", "10", "copy"):
        train(workspace, execution)
    with pytest.raises(serving.NoModelError) as error:
        serving.latest_model(workspace / "serving")
    commands = [shlex.split(each) for each in str(error.value).split("`")[1::2]]
    newest = workspace / "artifacts" / "Trainer" / "model" / "10" / "Format-Serving"
    assert commands == [
        ["iadb", "models", "--workspace", str(workspace)],
        ["iadb", "sample", "--model", str(newest), "--workspace", str(workspace)],
        ["iadb", "promote"],
    ]
    for _, name, *arguments in commands[:2]:
        main.commands[name].make_parser(click.Context(main)).parse_args(arguments)


def test_a_training_that_was_not_completed_is_no_model(tmp_path):
    (tmp_path / "artifacts" / "Trainer" / "model" / "9" / "Format-Serving").mkdir(parents=True)
    assert serving.newest_trained(tmp_path / "serving") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "9" * 5000, "[" * 100_000, "\udcff"])
def test_damaged_metadata_are_reported_in_one_line_with_their_file(tmp_path, content):
    file = tmp_path / METADATA
    file.parent.mkdir()
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(serving.NoModelError) as error:
        serving.read_metadata(tmp_path)
    assert str(error.value).startswith(f"{file} is damaged (")
    assert "\n" not in str(error.value)


def test_missing_metadata_are_reported_with_their_file(tmp_path):
    with pytest.raises(serving.NoModelError, match=r"^\S+iadb.json is missing; choose another v"):
        serving.read_metadata(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "nb_step: missing"),
        ('{"nb_step": 0}', "nb_step: got 0; input should be greater than or equal to 1"),
        ('{"nb_step": 4, "labels": "abc"}', "labels: got 'abc'; input should be a valid list"),
        ('{"nb_step": 4, "limits": [1]}', "limits: got [1]; expected keys below it"),
        ('{"nb_step": 4, "source": "x"}', "source: got 'x'; expected keys below it"),
    ],
)
def test_the_command_names_the_field_that_is_damaged(tmp_path, content, reason):
    version(tmp_path, "model")
    file = tmp_path / "model" / METADATA
    file.parent.mkdir()
    file.write_text(content)
    result = CliRunner().invoke(main, ["sample", "--model", str(tmp_path / "model")])
    assert result.exit_code == 2
    assert result.output.startswith(f"iadb: {file} is damaged ({reason}")
    assert result.output.endswith(
        "; choose another version with --model, or make one live with `iadb promote`\n"
    )
    assert result.output.count("\n") == 1


def test_the_check_restates_the_names_of_the_project_that_it_may_not_import():
    assert serve_check.METADATA == METADATA
    assert serve_check.PROJECT == PACKAGES
