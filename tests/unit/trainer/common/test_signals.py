import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from trainer.common.exit_codes import TERMINATED
from trainer.common.signals import SAME, raise_lost_stop, stop_on_signals

PATIENCE = 300  # seconds for a process to get on
STOPS = [
    (signal.SIGINT, KeyboardInterrupt),
    (signal.SIGTERM, SystemExit),
    (signal.SIGHUP, SystemExit),
]
TRAINING = """
import sys, time
from pathlib import Path
from trainer.common.signals import stop_on_signals

with stop_on_signals():
    try:
        print("training", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.3)  # so that a second signal comes before the end
        print("saving", flush=True)
        Path(sys.argv[1]).write_text("saved")
"""
# Saves when it has received a second signal.
HUNG_UP = """
import os, signal, sys, time
from pathlib import Path
from trainer.common.signals import stop_on_signals

state, (received, wakeup) = Path(sys.argv[1]), os.pipe()
os.set_blocking(wakeup, False)
signal.set_wakeup_fd(wakeup)
with stop_on_signals():
    try:
        print("training", flush=True)
        time.sleep(600)
    finally:
        os.read(received, 1)
        state.write_text("ending")
        os.read(received, 1)
        time.sleep(0)  # its handler runs
        state.write_text("saved")
"""


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Signals that are not ignored, as under nohup, and a terminal that stays."""
    monkeypatch.setattr("trainer.common.signals._leave_terminal", lambda: None)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def lose(number):
    """Receives a signal where a library swallows what its handler raises."""
    with contextlib.suppress(BaseException):
        os.kill(os.getpid(), number)


@pytest.fixture
def printed(monkeypatch):
    """The errors that Python prints because it cannot raise them."""
    errors = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: errors.append(lost.exc_value))
    return errors


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_signal_is_raised_as_an_exception(number, kind):
    with pytest.raises(kind) as stop, stop_on_signals():
        os.kill(os.getpid(), number)
        pytest.fail("went on")
    assert stop.value.args == ((TERMINATED,) if kind is SystemExit else ())


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_signal_that_a_library_swallowed_stops_the_block_between_two_steps(number, kind):
    with pytest.raises(kind), stop_on_signals():
        lose(number)
        raise_lost_stop()
        pytest.fail("went on")


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_signal_that_a_library_swallowed_is_raised_at_the_end_of_the_block(number, kind):
    with pytest.raises(kind), stop_on_signals():
        lose(number)


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_a_signal_that_a_destructor_lost_is_raised_and_not_printed(number, kind, printed):
    class Interrupted:
        def __del__(self):
            os.kill(os.getpid(), number)

    with pytest.raises(kind), stop_on_signals():
        Interrupted()
        raise_lost_stop()
        pytest.fail("went on")
    assert printed == []


def test_other_errors_of_destructors_are_printed(printed):
    class Fails:
        def __del__(self):
            raise ValueError("wrong")

    with stop_on_signals():
        Fails()
    assert [type(error) for error in printed] == [ValueError]


@pytest.mark.parametrize(("number", "kind"), STOPS)
def test_an_error_that_a_library_made_of_a_signal_is_that_signal(number, kind):
    with pytest.raises(kind), stop_on_signals():
        lose(number)
        raise RuntimeError("a function failed")


def test_an_error_without_a_signal_is_raised_as_it_is():
    with pytest.raises(ValueError, match="wrong"), stop_on_signals():
        raise ValueError("wrong")


def test_a_signal_lost_in_an_inner_block_stops_the_outer_one():
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        with pytest.raises(KeyboardInterrupt), stop_on_signals():
            lose(signal.SIGINT)
        raise_lost_stop()
        pytest.fail("went on")


def test_a_new_block_forgets_the_signals_of_the_last():
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
    with stop_on_signals():
        raise_lost_stop()


def test_the_handlers_are_restored_and_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_process_saves_its_state_when_its_terminal_is_closed(tmp_path):
    state = tmp_path / "state"
    child, terminal = pty.fork()
    if not child:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-c", HUNG_UP, str(state)])
    assert b"training" in os.read(terminal, 100)
    os.close(terminal)  # the kernel sends SIGHUP
    end = time.monotonic() + PATIENCE
    while not (state.exists() and state.read_text() == "ending"):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(child, signal.SIGHUP)  # the shell of the terminal passes the signal on
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == TERMINATED
    assert state.read_text() == "saved"


def test_a_hangup_stays_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_hangup_after_another_signal_does_not_end_what_saves():
    saved = []
    with pytest.raises(SystemExit), stop_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            saved.append(True)
    assert saved


def test_timeout_which_sends_each_signal_twice_does_not_cut_off_what_saves(tmp_path):
    command = [sys.executable, "-c", TRAINING, str(tmp_path / "state")]
    # It sends the signals that it receives as it sends its own when the time is over.
    process = subprocess.Popen(["timeout", "600", *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "training\n"
    process.terminate()
    assert process.communicate(timeout=PATIENCE)[0] == "saving\n"
    assert (tmp_path / "state").read_text() == "saved"


def test_a_second_signal_ends_what_takes_long_to_end(monkeypatch):
    now = 1000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("trainer.common.signals.time", clock)
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            now += SAME / 2
            os.kill(os.getpid(), signal.SIGTERM)  # the same
            now += SAME / 2
            os.kill(os.getpid(), signal.SIGINT)
