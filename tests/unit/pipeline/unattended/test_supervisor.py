import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.unattended.supervisor import Ended, supervise
from trainer.common.exit_codes import TERMINATED
from trainer.common.signals import stop_on_signals

STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""
ORDERLY = """
import pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path(sys.argv[1]).write_text(signal.Signals(number).name)
    sys.exit(9)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


def test_code_and_last_error_line_are_returned_and_the_line_is_forwarded(capsys):
    code = "import sys; print('iadb: first\\niadb: \\x1b[31mlast\\n', file=sys.stderr); sys.exit(3)"
    assert supervise(python(code)) == Ended(3, "?[31mlast")
    assert "iadb: first\niadb: \x1b[31mlast\n" in capsys.readouterr().err


def test_lines_that_cannot_be_forwarded_to_a_full_disk_do_not_stop_the_child():
    child = "import sys; sys.stderr.write('line\\n' * 10**5); sys.exit(3)"
    program = f"""
import sys
from pipeline.unattended.supervisor import supervise
print(supervise([sys.executable, "-c", {child!r}], timeout=200))
"""
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True
        )
    assert result.stdout == f"{Ended(3, 'line')}\n"


def test_a_child_without_output_is_described_by_its_code():
    assert supervise(python("exit(5)")) == Ended(5, "ended with exit code 5")


def test_a_child_killed_by_a_signal_is_described_by_its_name():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)"
    assert supervise(python(code)) == Ended(138, "killed by SIGUSR1")


def test_a_child_that_the_kernel_may_have_killed_is_said_to_have_run_out_of_memory():
    ended = supervise(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert ended.code == 137
    assert ended.reason == (
        "killed by SIGKILL, probably because the memory ran out: lower evaluate.batch_size or "
        "train.batch_size, end other programs, or use a machine with more memory"
    )


@pytest.fixture
def prepared():
    """SIGTERM reaches a child when it is prepared, however long its start takes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # which a child inherits
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


@pytest.mark.usefixtures("prepared")
def test_a_child_that_takes_too_long_is_asked_to_end(tmp_path):
    ended = supervise(python(ORDERLY, tmp_path / "said"), timeout=0.5)
    assert (ended.code, ended.timed_out) == (9, True)
    assert (tmp_path / "said").read_text() == "SIGTERM"


@pytest.mark.usefixtures("prepared")
def test_a_child_that_does_not_end_is_killed(tmp_path):
    ended = supervise(python(STUBBORN, tmp_path / "said"), timeout=0.5, grace=0.2)
    assert ended == Ended(137, "killed by SIGKILL", timed_out=True)


@pytest.mark.parametrize(
    ("number", "raised", "code"),
    [(signal.SIGTERM, SystemExit, TERMINATED), (signal.SIGINT, KeyboardInterrupt, None)],
)
def test_what_stops_this_process_reaches_the_child_which_ends_first(tmp_path, number, raised, code):
    said = tmp_path / "said"

    def stop():
        while not said.exists():
            time.sleep(0.01)
        # To another thread, it would be delivered even where the main thread holds signals back.
        signal.pthread_kill(threading.main_thread().ident, number)

    threading.Thread(target=stop).start()
    with pytest.raises(raised) as stopped, stop_on_signals():
        supervise(python(ORDERLY, said))
    assert said.read_text() == number.name
    assert getattr(stopped.value, "code", None) == code


def test_a_child_dies_with_a_supervisor_that_is_killed(tmp_path):
    said = tmp_path / "said"
    code = (
        "import sys\n"
        "from pipeline.unattended.supervisor import supervise\n"
        f"supervise([sys.executable, '-c', {STUBBORN!r}, {str(said)!r}])\n"
    )
    with subprocess.Popen(python(code)) as supervisor:
        while not said.exists():
            time.sleep(0.01)
        [child] = children(supervisor.pid)
        supervisor.kill()
    deadline = time.monotonic() + 200
    while os.path.exists(f"/proc/{child}/exe") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{child}/exe")


def children(parent):
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        return list(map(int, file.read().split()))
