"""Progress on terminals of several widths, and without one."""

import io
import re
import threading

import pytest
from rich.console import Console
from rich.live import _RefreshThread

from pipeline.console.node_lines import NodeLines
from pipeline.console.progress import showing
from pipeline.results.summary import describe_seconds
from tests.clock import Clock
from trainer.common.phases import OTHER
from trainer.common.progress import Report, phase, report

DONE = Report("training", done=300, unit="steps", note="loss 0.1250")
PATIENCE = 60  # seconds for a line to be printed, and for a thread to end


@pytest.fixture
def clock(monkeypatch):
    """The clock of the phases."""
    made = Clock()
    monkeypatch.setattr("trainer.common.phases.time", made)
    return made


class Lines(io.StringIO):
    """A file, and an event: a text was written that is waited for."""

    def __init__(self, awaited):
        super().__init__()
        self.found = threading.Event()
        self._awaited = awaited

    def write(self, text):
        written = super().write(text)
        if self._awaited in text:
            self.found.set()
        return written


def terminal(width):
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, color_system=None, legacy_windows=False
    )
    return console, file


def screen(width, clock):
    """What a terminal shows of a training, in lines."""
    console, file = terminal(width)
    with showing(console, "Trainer"):
        report(Report("training", expected=1500, unit="steps"))
        clock.now += 0.1
        report(DONE)
        with phase("drawing samples"):
            refresh(console)
            return [line.rstrip() for line in file.getvalue().splitlines()]


def refresh(console):
    console._live_stack[-1].refresh()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_shows_work_count_and_note_in_any_width(width, clock):
    lines = screen(width, clock)
    assert max(map(len, lines)) <= width + 20  # with control codes
    text = re.sub(r"\s+", " ", "\n".join(lines))
    assert "Trainer · 0 s" in text
    assert "300/1,500 steps · 3,000/s · loss 0.1250 · 0 s left" in text
    assert "drawing samples 0 s" in text
    assert ("━" in text) == (width >= 80)


def test_without_a_terminal_a_line_appears_from_time_to_time(monkeypatch, clock):
    monkeypatch.setattr("trainer.common.progress_lines.LINE_SECONDS", 0.001)
    file = Lines("300/1,500 steps")
    with showing(Console(file=file, width=40), "Trainer"):
        report(Report("training", expected=1500, unit="steps"))
        clock.now += 0.1
        report(DONE)
        assert file.found.wait(PATIENCE)
    line = file.getvalue().splitlines()[-1]
    assert line == "  Trainer · training 300/1,500 steps · 3,000/s · loss 0.1250 · 0 s left"


def test_short_work_without_a_terminal_prints_nothing():
    file = io.StringIO()
    with showing(Console(file=file), "Pusher"), phase("copying"):
        pass
    assert file.getvalue() == ""


def test_a_line_that_a_node_prints_stays_above_its_progress(capsys):
    console = Console(force_terminal=True, width=80, color_system=None)
    lines = NodeLines(console)
    lines.started("Trainer", "run-1")
    print("  resuming from step 300")
    lines.finished("Trainer", 98.8, cached=False)
    output = capsys.readouterr().out
    assert output.index("resuming from step 300\n") < output.index("✓ Trainer            98.8 s")


def test_each_node_says_what_it_does_and_only_while_it_runs():
    console, file = terminal(80)
    lines = NodeLines(console)
    lines.started("Transform", "run-1")
    refresh(console)
    assert "Transform: building the graph that decodes the images" in file.getvalue()
    lines.failed("Transform", 1.5, ValueError("no"))
    lines.started("SchemaImporter", "run-1")
    lines.finished("SchemaImporter", 0.1, cached=True)
    for each in threading.enumerate():
        if isinstance(each, _RefreshThread):
            each.join(PATIENCE)  # which ends by itself once its display has stopped
            assert not each.is_alive()
    assert "✗ Transform          failed after 1.5 s" in file.getvalue()
    assert "✓ SchemaImporter     cached" in file.getvalue()


def test_the_parts_of_a_time_sum_to_the_whole_with_the_rest_named():
    seconds = {"sampling": 27.2, OTHER: 1.0, "report": 0.04, "features": 2.3}
    assert describe_seconds(seconds) == "30.5 s: sampling 27.2 s, features 2.3 s, other 1.0 s"
