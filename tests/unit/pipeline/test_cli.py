import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import click
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline import failures
from pipeline.cli import main
from tests.recorded import write_model
from trainer.common import exit_codes
from trainer.common.signals import stop_on_signals
from trainer.names import METADATA


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_help_imports_no_heavy_library():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([m for m in ('tensorflow', 'tfx', 'apache_beam', 'numpy') if m in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n"


def test_commands_that_list_and_show_import_neither_tensorflow_nor_tfx(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "workspace" / "artifacts").mkdir(parents=True)
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        "for command in ('runs', 'history', 'models', 'clean', 'spans --data data',\n"
        "                'dashboard --out pages', 'config show', 'data list'):\n"
        "    assert CliRunner().invoke(main, command.split()).exit_code == 0, command\n"
        "    for module in ('tensorflow', 'tfx', 'apache_beam'):\n"
        "        assert module not in sys.modules, (command, module)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE)
    assert result.returncode == 0, result.stderr.decode()


def test_help_cuts_off_no_description():
    assert "..." not in iadb("--help").output.partition("Commands:\n")[2]


def test_help_lists_the_commands_that_are_needed_most_first():
    lines = iadb("--help").output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines][:3] == ["run", "init", "sample"]
    assert not any(line.endswith("...") for line in lines)


def test_help_lists_every_exit_code():
    codes = {code for name, code in vars(exit_codes).items() if name.isupper() and name != "CAUSES"}
    listed = iadb("--help").output.partition("Exit codes:")[2].partition("Options:")[0]
    assert {int(code) for code in re.findall(r"\b\d+\b", listed)} == {0, *codes}


def test_config_show_prints_the_resolved_configuration():
    result = iadb(
        "config",
        "show",
        "--preset",
        "digits",
        "--data",
        "a b: c",
        "--set",
        "train.steps=7",
    )
    resolved = yaml.safe_load(result.output)
    assert resolved["train"]["steps"] == 7
    assert resolved["data"]["folder"] == os.path.abspath("a b: c")
    assert result.output.startswith("# From preset digits, --set. Keys")


def test_without_preset_file_or_images_the_defaults_are_shown(tmp_path):
    shown = iadb("config", "show")
    assert shown.stderr == "no --preset, --config or --data: the defaults apply\n"
    assert shown.stdout.startswith("# From the defaults. Keys")
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    shown = iadb("config", "show", "--config", tmp_path / "mine.yaml")
    assert shown.stderr == ""
    assert shown.stdout.startswith(f"# From file {tmp_path}/mine.yaml. Keys")


def test_config_show_looks_at_the_images_where_no_configuration_is_named(tmp_path):
    Image.new("L", (20, 20)).save(tmp_path / "1.png")
    shown = iadb("config", "show", "--data", tmp_path, "--set", "train.steps=7")
    assert shown.stderr.startswith(f"{tmp_path}: 1 gray picture of 20x20\nchosen for them: ")
    assert shown.stdout.startswith(f"# From a look at {tmp_path}, --set. Keys")
    resolved = yaml.safe_load(shown.stdout)
    assert (resolved["data"]["resolution"], resolved["data"]["channels"]) == (16, 1)
    assert resolved["train"]["steps"] == 7
    shown = iadb("config", "show", "--preset", "digits", "--data", tmp_path)
    assert (shown.stderr, yaml.safe_load(shown.stdout)["data"]["resolution"]) == ("", 8)


def test_a_check_without_images_is_recorded_and_chooses_nothing(tmp_path):
    (tmp_path / "images").mkdir()
    place = ("--data", tmp_path / "images", "--workspace", tmp_path / "w")
    result = iadb("run", "--if-new-data", *place)
    assert (result.exit_code, "no new images" in result.output) == (0, True)
    assert (tmp_path / "w" / "journal.sqlite").exists()
    assert not (tmp_path / "w" / "chosen.yaml").exists()


def test_config_schema_prints_a_json_schema():
    assert json.loads(iadb("config", "schema").output)["properties"]["train"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --foo", "iadb run: no such option '--foo'; see iadb run --help"),
        ("run --workspce w", "iadb run: no such option '--workspce'; did you mean --workspace?"),
        ("--foo", "iadb: no such option '--foo'; see iadb --help"),
        ("evaluat", "iadb: no such command 'evaluat'; did you mean evaluate?"),
        ("data write", "iadb data write: missing argument 'NAME'; see iadb data write --help"),
        ("run --set", "iadb run: option '--set' requires an argument; see iadb run --help"),
        (
            "serve --port 70000",
            "iadb serve: invalid value for '--port': 70000 is not in the range 0<=x<=65535; see "
            "iadb serve --help",
        ),
    ],
)
def test_a_wrong_use_of_a_command_ends_with_code_2_and_one_line(arguments, said):
    result = CliRunner().invoke(main, arguments.split(), prog_name="iadb")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{said}\n")


def test_a_wrong_use_of_a_command_names_a_file_as_it_was_given(tmp_path):
    path = tmp_path / "Two  spaces.yaml"
    path.touch()
    result = CliRunner().invoke(main, ["init", str(tmp_path), "-o", str(path)])
    assert f"{path} exists: choose another --output" in result.stderr
    with contextlib.chdir(tmp_path):
        result = CliRunner().invoke(main, ["init", ".", "-o", path.name], prog_name="iadb")
    assert result.stderr.startswith("iadb init: Two  spaces.yaml exists: ")


def test_without_a_command_the_help_is_printed():
    assert iadb().output == iadb("--help").output


def test_a_wrong_configuration_ends_with_code_2_and_one_line():
    result = iadb("config", "show", "--set", "train.stepz=7")
    assert result.exit_code == 2
    assert result.output == "iadb: train.stepz: unknown key; did you mean steps?\n"


def test_a_run_without_a_folder_names_the_option_for_it(tmp_path):
    result = iadb("run", "--workspace", tmp_path / "w")
    assert result.exit_code == 2
    assert result.output == (
        "iadb: data.folder: not set; give the folder of images with --data FOLDER\n"
    )
    assert not (tmp_path / "w").exists()


def test_images_that_would_be_their_own_sources_are_an_error_before_a_run(tmp_path):
    (tmp_path / "1.png").touch()
    result = iadb(
        "run", "--data", tmp_path, "--set", f"data.source={tmp_path}", "--preset", "digits"
    )
    assert result.exit_code == exit_codes.DATA
    assert result.output == (
        f"iadb: {tmp_path}: the sources are in the same folder as their images, {tmp_path}; keep "
        "images and sources in two folders side by side\n"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("--data", "nope"), "nope: no such folder; expected a folder with images"),
        (("--data", "empty"), "empty: no image files below this folder"),
        (("--data", "file.png"), "file.png: not a folder"),
        (("--data", "images", "--set", "data.holdout=nope"), "nope: no such folder"),
        (("--data", "images", "--set", "data.pattern=span-{SPAN}"), "images: no folder matches"),
        (("--data", "images", "--set", "data.pattern=nope"), "images/nope: no such folder"),
        (("--data", "images", "--set", "data.source=nope"), "nope: no such folder"),
        (("--data", "images", "--set", "data.source=empty"), "empty: no image files below"),
        (("--data", "images", "--set", "data.source=other"), "other: no file is named like one in"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_a_run_without_images_ends_before_tfx_starts_and_records_nothing(tmp_path, settings, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "other").mkdir()
    for file in ("images/1.png", "other/2.png", "file.png"):
        (tmp_path / file).touch()
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        f"result = CliRunner().invoke(main, ['run', '--preset', 'digits', *{settings!r}])\n"
        "print(result.exit_code, [m for m in ('tensorflow', 'tfx') if m in sys.modules])\n"
        "print(result.output, end='')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    first, error = ended.stdout.splitlines()
    assert first == f"{exit_codes.DATA} []"
    assert error.startswith(f"iadb: {tmp_path}/{said}")
    assert not (tmp_path / "workspace").exists()


def test_the_home_directory_is_found_where_the_shell_does_not_expand_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    shown = iadb("config", "show", "--preset=digits", "--data=~/images").stdout
    (tmp_path / "mine.yaml").write_text(shown)
    shown = iadb("config", "show", "--config=~/mine.yaml").stdout
    assert yaml.safe_load(shown)["data"]["folder"] == f"{tmp_path}/images"
    (tmp_path / "models" / "artifacts").mkdir(parents=True)
    assert iadb("clean", "--workspace=~/models").output.endswith(f"{tmp_path}/models\n")


def test_digest_prints_the_hash_of_weights_without_tensorflow(tmp_path):
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"weights")
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        f"print(CliRunner().invoke(main, ['digest', {str(path)!r}]).output.strip())\n"
        "print('tensorflow' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == [hashlib.sha256(b"weights").hexdigest(), "False"]


def test_digest_of_nothing_ends_with_code_2_and_one_line():
    result = iadb("digest", "/no/such/weights")
    assert result.exit_code == 2
    assert result.output == "iadb: cannot read /no/such/weights: No such file or directory\n"


def test_a_run_whose_weights_differ_from_the_pinned_ones_does_not_start(tmp_path):
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"weights")
    found, expected = hashlib.sha256(b"weights").hexdigest(), "0" * 64
    features = f"{{name: 'onnx:{weights}', sha256: '{expected}'}}"
    place = ("--preset", "digits", "--data", tmp_path, "--workspace", tmp_path.parent / "workspace")
    result = iadb("run", *place, "--set", f"evaluate.features={features}")
    assert result.exit_code == 2
    assert result.output == (
        f"iadb: evaluate.features.sha256: {weights} has the digest {found}, expected {expected}; "
        "restore the pinned file, or pin this one if you trust it\n"
    )
    assert not (tmp_path.parent / "workspace").exists()


@pytest.mark.parametrize("option", ["--output", "--gif"])
def test_a_missing_folder_for_the_output_is_reported_before_anything_is_drawn(tmp_path, option):
    result = iadb("sample", "--workspace", tmp_path, option, tmp_path / "no" / "x.png")
    assert result.exit_code == 2
    assert f"no folder {tmp_path / 'no'}" in result.output


@pytest.mark.parametrize("command", ["sample", "serve-check"])
def test_a_folder_that_is_no_model_is_reported_in_one_line(tmp_path, command):
    result = iadb(command, "--model", tmp_path)
    assert result.exit_code == 2
    assert result.output == (
        f"iadb: {tmp_path}: not a model that `iadb run` pushed: it has no saved_model.pb\n"
    )


@pytest.mark.parametrize(
    "command",
    [("serve-check", "--model"), ("serve", "--port", "0", "--model"), ("export",)],
    ids=lambda command: command[0],
)
def test_damaged_metadata_of_a_model_are_reported_in_one_line(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)  # where an export would be written
    model = write_model(tmp_path / "model")
    (model / METADATA).write_text('{"a":')
    result = iadb(*command, model)
    assert result.exit_code == 2
    assert result.output.startswith(f"iadb: {model / METADATA} is damaged (")
    assert result.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize("command", ["sample", "serve-check"])
def test_without_a_model_the_error_names_the_command_that_makes_one(tmp_path, command):
    result = iadb(command, "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "`iadb run` pushes one" in result.output


def test_a_workspace_before_its_first_run_has_no_runs(tmp_path):
    (tmp_path / "artifacts").mkdir()
    result = iadb("runs", "--workspace", tmp_path)
    assert result.exit_code == 0
    assert result.output == f"no runs in {tmp_path}\n"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("option", ["--workspace=elsewhere", "--data=images", "--json"])
def test_an_option_before_a_subcommand_is_not_ignored(option):
    result = iadb("spans", option, "release", 5)
    assert result.exit_code == 2
    name = option.partition("=")[0]
    assert f"spans: {name}: give it after release, if it has this option" in result.output


def test_a_learning_rate_that_is_no_number_is_refused(tmp_path):
    result = iadb("distill", 1, "--learning-rate", "nan", "--workspace", tmp_path)
    assert result.exit_code == 2
    assert "nan is not a finite number" in result.output


@pytest.mark.parametrize(
    "command",
    [
        "runs",
        "history",
        "models",
        "dashboard",
        "spans release 1",
        "rollback",
        "promote 1 --reason x",
        "clean",
        "clean --if-free",
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_mistyped_workspace_is_refused_in_one_line(tmp_path, command, exists):
    folder = tmp_path / "worksapce"
    if exists:
        folder.mkdir()
    result = iadb(*command.split(), "--workspace", folder)
    assert result.exit_code == 2
    problem = "not a workspace" if exists else "no such folder"
    assert result.output == (
        f"iadb: workspace {folder}: {problem}; a workspace contains metadata.sqlite or "
        "journal.sqlite and is created by `iadb run`; choose another with --workspace\n"
    )
    assert folder.exists() == exists and not any(tmp_path.glob("worksapce/*"))


def test_spans_are_listed_before_the_first_run_and_nothing_is_written(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").touch()
    workspace = tmp_path / "workspace"
    result = iadb("spans", "--data", tmp_path / "data", "--workspace", workspace, "--json")
    assert result.exit_code == 0, result.output
    assert [span["state"] for span in json.loads(result.output)] == ["1 new"]
    assert not workspace.exists()


def test_data_write_creates_a_folder_and_reports_an_unknown_name(tmp_path):
    result = iadb("data", "write", "digits", tmp_path / "digits")
    assert result.output == f"1,797 images in {tmp_path / 'digits'}\n"
    (tmp_path / "digits" / "mine.png").touch()
    result = iadb("data", "write", "digits", tmp_path / "digits")
    assert result.output == f"1,797 images in {tmp_path / 'digits'}, beside 1 other file\n"
    result = iadb("data", "write", "nope", tmp_path / "nope")
    assert result.exit_code == exit_codes.USAGE
    assert "digits" in result.output


def test_an_interrupted_command_ends_although_a_thread_does_not():
    code = (
        "import threading\n"
        "from pipeline.cli import main\n"
        "@main.command()\n"
        "def stuck():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise KeyboardInterrupt\n"
        "main(['stuck'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600
    )
    assert result.returncode == exit_codes.INTERRUPTED
    assert result.stderr == "iadb: interrupted\n"


def test_a_command_that_is_terminated_says_that_the_next_run_resumes(monkeypatch):
    @click.command()
    def train():
        with failures.resumable(), stop_on_signals():
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setitem(main.commands, "train", train)
    result = iadb("train")
    assert result.exit_code == exit_codes.TERMINATED
    assert result.stderr == "iadb: terminated; the next run resumes from here\n"


def test_a_reader_that_leaves_early_is_no_error():
    show = [sys.executable, "-m", "pipeline.cli", "config", "show"]
    with subprocess.Popen(show, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # before anything is written
        said = process.stderr.read().decode()
    assert "BrokenPipe" not in said


def test_marks_that_an_encoding_lacks_do_not_end_a_run():
    code = (
        "from pipeline import cli; import click;"
        "cli.main.add_command(click.command('mark')(lambda: click.echo('✓ done')));"
        "cli.main()"
    )
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", code, "mark"]
    result = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert result.stdout == b"? done\n"
