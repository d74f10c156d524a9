import shutil
import subprocess
import sys
import types

import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from trainer.common import exit_codes

DATA = ("--param", "data_folder=/data")
DELETE = ("schedule", "--delete")
NONE = "schedule iadb: does not exist\n"


@pytest.fixture
def iadb(stand_in, package_file, monkeypatch):
    """Calls `iadb kubeflow` on the stand-in, with a small package in place of TFX's compiler."""

    def compile_package(config, output, report):
        shutil.copy(package_file, output)
        if not config.kubeflow.root.startswith("/mnt"):
            report(f"{config.kubeflow.root} is on none of kubeflow.volumes")

    fake = types.SimpleNamespace(compile_package=compile_package)
    monkeypatch.setitem(sys.modules, "pipeline.cluster.compile", fake)
    monkeypatch.setenv("IADB_KFP_ENDPOINT", stand_in.url)

    def call(*args, code=0):
        result = CliRunner().invoke(main, ["kubeflow", *map(str, args)])
        assert result.exit_code == code, result.output
        return result.output

    return call


def end_runs_when_seen(stand_in, state, tasks):
    """Ends a run after the client has polled it once."""

    def end(run_id, content, query):
        stand_in.before[operation] = lambda *_: stand_in.end_run(run_id, state, tasks)

    operation = "run_service_get_run"
    stand_in.before[operation] = end


def test_compile_writes_a_package_and_prints_its_parameters(iadb, package_file, tmp_path):
    output = tmp_path / "digits.yaml"
    printed = iadb("compile", "--preset", "digits", "--output", output)
    assert output.read_bytes() == package_file.read_bytes()
    assert printed.startswith(f"{output}: 2 tasks\n")
    assert printed.endswith("runtime parameters: data_folder, steps\n")


def test_compile_prints_its_warnings(iadb, tmp_path):
    output = tmp_path / "digits.yaml"
    printed = iadb("compile", "--preset", "digits", "-o", output, "--set", "kubeflow.root=/lost")
    assert "/lost is on none of kubeflow.volumes\n" in printed


def test_what_is_chosen_for_images_is_for_the_machines_of_the_cluster(iadb, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    printed = iadb("compile", "--data", tmp_path, "-o", tmp_path / "package.yaml")
    assert "\nfor 1 GPU on the cluster, not for this machine\n" in printed


def test_compile_into_a_missing_folder_exits_with_code_2(iadb, tmp_path):
    printed = iadb("compile", "-o", tmp_path / "none" / "digits.yaml", code=exit_codes.USAGE)
    assert f"no folder {tmp_path / 'none'}" in printed


def test_submit_starts_a_run(iadb, stand_in):
    printed = iadb("submit", "--preset", "digits", *DATA, "--param", "steps=2000")
    ((run_id, run),) = stand_in.runs.items()
    assert printed.endswith(
        f"Run details: {stand_in.url}/#/runs/details/{run_id}\nrun {run_id} started\n"
    )
    assert run["runtime_config"]["parameters"] == {"data_folder": "/data", "steps": 2000}
    assert run["service_account"] == "iadb"


def test_a_folder_that_only_the_cluster_has_needs_a_configuration(iadb, stand_in):
    printed = iadb("submit", "--data", "/only/there", code=exit_codes.USAGE)
    assert printed == (
        "iadb: /only/there: no such folder; expected a folder with images; to choose for images "
        "that this machine cannot read, name a configuration with --preset or --config\n"
    )
    assert stand_in.experiments == {}
    assert "started" in iadb("submit", "--preset", "digits", "--data", "/only/there", *DATA)


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ((), "iadb: --param data_folder=...: required, the pipeline has no default\n"),
        (("stepz=1",), "iadb: --param stepz: unknown; did you mean steps?\n"),
        (("steps=a\nb",), "iadb: --param steps: got 'a\\nb'; expected a whole number\n"),
        (
            ("steps=1" + 400 * "0",),
            f"iadb: --param steps: got '1{58 * '0'}; expected a whole number\n",
        ),
    ],
)
def test_a_wrong_parameter_exits_with_code_2_before_anything_is_created(
    iadb, stand_in, settings, printed
):
    options = [part for setting in settings for part in ("--param", setting)]
    assert iadb("submit", "--preset=digits", *options, code=exit_codes.USAGE) == printed
    assert stand_in.experiments == {}


def test_waiting_shows_the_tasks_of_the_pipeline_as_they_end(iadb, stand_in):
    tasks = [("node", "SUCCEEDED", ""), ("node-driver", "SUCCEEDED", ""), ("node-2", "SKIPPED", "")]
    end_runs_when_seen(stand_in, "SUCCEEDED", tasks)
    printed = iadb("submit", *DATA, "--wait").splitlines()
    assert [line.split() for line in printed[-3:-1]] == [
        ["✓", "ImageExampleGen", "0:01:02"],
        ["–", "Trainer", "skipped", "0:01:02"],
    ]
    assert printed[-1].endswith("succeeded")


@pytest.mark.parametrize(
    ("state", "tasks", "reason"),
    [
        ("FAILED", [("node-2", "FAILED", "exit code 3")], "failed: Trainer (exit code 3)"),
        ("FAILED", [("node", "FAILED", "")], "failed: ImageExampleGen"),
        ("CANCELED", [], "canceled: KFP reports no reason"),
    ],
)
def test_a_run_that_does_not_succeed_ends_waiting_with_code_6(iadb, stand_in, state, tasks, reason):
    end_runs_when_seen(stand_in, state, tasks)
    printed = iadb("submit", *DATA, "--wait", code=exit_codes.CLUSTER)
    assert printed.endswith(f"{reason}\n")


def test_ctrl_c_while_waiting_reports_that_the_run_continues(iadb, stand_in, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.cluster.client.time.sleep", interrupt)
    printed = iadb("submit", *DATA, "--wait", code=exit_codes.INTERRUPTED)
    assert printed.endswith("iadb: interrupted; the run continues; see its page\n")
    assert len(stand_in.runs) == 1


def test_a_cluster_lost_while_waiting_leaves_a_run_that_may_continue(iadb, stand_in, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.client.LOST_SECONDS", 0)
    stand_in.faults["run_service_get_run"] = [(503, "text/plain", b"")]
    printed = iadb("submit", *DATA, "--wait", code=exit_codes.CLUSTER)
    (run_id,) = stand_in.runs
    assert printed.endswith(f"; run {run_id} may continue: see its page\n")


def test_schedule_creates_and_replaces_a_schedule_and_prints_the_next_times(iadb, stand_in):
    printed = iadb("schedule", *DATA, "--cron", "0 3 * * *").splitlines()
    assert printed[-2] == "schedule iadb: 0 0 3 * * *, new"
    assert printed[-1].count(" 03:00") == 3
    assert printed[-1].endswith("(UTC)")
    printed = iadb("schedule", *DATA, "--cron", "30 4 * * 7", "--timezone", "Europe/Berlin")
    assert "schedule iadb: 0 30 4 * * 0, replaced\n" in printed
    assert "if the cluster's cronScheduleTimezone is Europe/Berlin" in printed
    (schedule,) = stand_in.recurring_runs.values()
    assert schedule["runtime_config"]["parameters"] == {"data_folder": "/data"}


def test_schedules_of_other_names_stay_and_one_is_deleted_by_name(iadb, stand_in):
    iadb("schedule", *DATA, "--cron", "0 3 * * *")
    iadb("schedule", *DATA, "--cron", "0 4 * * *", "--name", "50% früh+spät")
    assert len(stand_in.recurring_runs) == 2
    assert iadb("schedule", "--delete", "--name", "50% früh+spät").endswith(": deleted\n")
    assert iadb("schedule", "--delete", "--name", "50% früh+spät").endswith(": does not exist\n")
    assert [run["display_name"] for run in stand_in.recurring_runs.values()] == ["iadb"]


@pytest.mark.parametrize(
    "options",
    [
        ("--cron", "0 0 3 * * *"),
        ("--cron", "0 0 30 2 *"),
        ("--cron", "0 3 * * *", "--timezone", "Berlin"),
        ("--cron", "0 3 * * *", "--delete"),
        (),
    ],
)
def test_a_wrong_schedule_exits_with_code_2_before_any_request(iadb, stand_in, options):
    iadb("schedule", *DATA, *options, code=exit_codes.USAGE)
    assert stand_in.called == []


def test_the_token_comes_only_from_the_environment_or_a_file(iadb, stand_in, monkeypatch, tmp_path):
    stand_in.token = "right"
    (tmp_path / "token").write_text("right\n")
    asked = iadb(*DELETE, code=exit_codes.CLUSTER)
    assert "requires a token (401): set IADB_KFP_TOKEN or --token-file" in asked
    assert iadb(*DELETE, "--token-file", tmp_path / "token") == NONE
    monkeypatch.setenv("IADB_KFP_TOKEN", "wrong")
    assert iadb(*DELETE, "--token-file", tmp_path / "token") == NONE
    printed = iadb(*DELETE, code=exit_codes.CLUSTER)
    assert "wrong" not in printed
    assert printed.count("\n") == 1
    monkeypatch.setenv("IADB_KFP_TOKEN", "right")
    assert iadb(*DELETE) == NONE


def test_without_an_endpoint_the_error_names_the_option(iadb, monkeypatch):
    monkeypatch.delenv("IADB_KFP_ENDPOINT")
    printed = iadb(*DELETE, code=exit_codes.USAGE)
    assert printed == ("iadb: --endpoint or IADB_KFP_ENDPOINT is required: the URL of KFP's API\n")


def test_kfps_own_variable_names_the_endpoint_too(iadb, stand_in, monkeypatch):
    monkeypatch.delenv("IADB_KFP_ENDPOINT")
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", stand_in.url + "/")
    assert iadb(*DELETE) == NONE


def test_an_unreachable_cluster_exits_with_code_6_and_one_line(iadb, stand_in):
    stand_in.faults["healthz_service_get_healthz"] = [(502, "text/html", b"<html>")]
    printed = iadb(*DELETE, code=exit_codes.CLUSTER)
    assert printed == f"iadb: {stand_in.url} rejects the request (502 Bad Gateway)\n"


def test_without_kfp_the_error_names_the_package_to_install(iadb, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed = iadb(*DELETE, code=exit_codes.USAGE)
    expected = "kfp is missing; in the folder of the project, run: pip install '.[kubeflow]'"
    assert printed == f"iadb: {expected}\n"


def test_help_imports_neither_kfp_nor_other_heavy_libraries():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        "assert CliRunner().invoke(main, ['kubeflow', 'submit', '--help']).exit_code == 0\n"
        "print([m for m in ('kfp', 'tfx', 'cronsim', 'rich', 'pydantic') if m in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n"
