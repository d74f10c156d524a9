"""The systemd units in deploy/: what systemd takes, and commands that there are."""

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
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None)
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text("utf-8"))
    return parser


def test_the_service_starts_a_check_and_takes_an_unblessed_model_for_no_failure():
    service = unit("iadb.service")["Service"]
    _, command, *arguments = shlex.split(service["ExecStart"])
    assert command == run.name
    assert run.make_context("run", arguments).params["if_new_data"]
    assert service["SuccessExitStatus"] == str(exit_codes.NOT_BLESSED)


def test_a_training_has_time_to_save_its_state_and_gets_one_signal():
    service = unit("iadb.service")["Service"]
    assert float(service["TimeoutStopSec"]) > GRACE_SECONDS
    assert service["KillMode"] == "mixed"


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
