"""The systemd units in deploy/: valid, confined, and with existing commands."""

import configparser
import pathlib
import shlex
import shutil
import subprocess

from pipeline.commands.run import run
from pipeline.unattended.supervisor import GRACE_SECONDS
from tests.programs import find_program
from trainer.common import exit_codes

UNITS = pathlib.Path(__file__).parents[3] / "deploy" / "systemd"


def unit(name):
    parser = configparser.ConfigParser(
        delimiters="=", comment_prefixes="#", interpolation=None, strict=False
    )
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text("utf-8"))
    return parser


def test_the_service_starts_a_check_and_takes_an_unblessed_model_for_no_failure():
    service = unit("iadb.service")["Service"]
    _, command, *arguments = shlex.split(service["ExecStart"])
    assert command == run.name
    assert run.make_context("run", arguments).params["if_new_data"]
    assert service["SuccessExitStatus"] == f"{exit_codes.NOT_BLESSED} {exit_codes.TERMINATED}"


def test_a_training_has_time_to_save_its_state_and_gets_one_signal():
    service = unit("iadb.service")["Service"]
    assert float(service["TimeoutStopSec"]) > GRACE_SECONDS
    assert service["KillMode"] == "mixed"


def test_the_exposure_of_the_service_is_at_most_2_of_10():
    analyze = find_program("systemd-analyze", "systemd")
    command = [analyze, "security", "--offline=true", "--no-pager", "--threshold=20"]
    result = subprocess.run([*command, UNITS / "iadb.service"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_service_can_compile_write_its_workspace_and_reach_gpus_and_a_webhook():
    service = unit("iadb.service")["Service"]
    assert not {"MemoryDenyWriteExecute", "PrivateDevices", "PrivateNetwork"} & set(service)
    arguments = shlex.split(service["ExecStart"])
    workspace = arguments[arguments.index("--workspace") + 1]
    assert workspace.startswith(f"/var/lib/{service['StateDirectory']}/")
    assert "DeviceAllow=char-nvidia rw" in (UNITS / "iadb.service").read_text("utf-8")
    assert {"AF_INET", "AF_INET6"} <= set(service["RestrictAddressFamilies"].split())


def test_systemd_takes_the_units(tmp_path):
    analyze = find_program("systemd-analyze", "systemd")
    command = unit("iadb.service")["Service"]["ExecStart"].split()[0]
    for path in UNITS.iterdir():
        text = path.read_text("utf-8").replace(command, shutil.which("true"))
        (tmp_path / path.name).write_text(text)
    result = subprocess.run(
        [analyze, "verify", *tmp_path.iterdir()], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
