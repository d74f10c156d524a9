import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from pipeline.registry.journal import Journal
from pipeline.registry.names import Outcome
from tests.small_disk import needs_mount, on_disk

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "workspace" / "journal.sqlite")


def test_an_attempt_is_there_from_its_begin_and_complete_at_its_end(journal):
    number = journal.begin("schedule", {"new": 12}, NOW)
    [begun] = journal.attempts()
    assert (begun.number, begun.started, begun.found) == (number, NOW, {"new": 12})
    assert (begun.ended, begun.outcome, begun.exit_code) == (None, None, None)
    journal.claim(number, "r")
    journal.end(number, Outcome.BLESSED, "live", LATER, exit_code=0, tries=2)
    [ended] = journal.attempts()
    assert (ended.ended, ended.outcome, ended.message) == (LATER, Outcome.BLESSED, "live")
    assert (ended.exit_code, ended.tries, ended.runs) == (0, 2, ("r",))


def test_attempts_are_listed_oldest_first(journal):
    numbers = [journal.begin("check", {}, NOW + timedelta(days=day)) for day in range(5)]
    assert [attempt.number for attempt in journal.attempts(last=2)] == numbers[-2:]


def test_a_snapshot_replaces_that_of_its_span_alone(journal):
    journal.remember({1: b"a", 2: b"b"})
    journal.remember({2: b"c"})
    assert journal.snapshots() == {1: b"a", 2: b"c"}


def test_a_held_span_stays_held_until_it_is_released(journal):
    journal.hold(7, "drift", NOW)
    assert journal.held_spans()[7].released is None
    assert journal.release(7, LATER) is True
    assert journal.release(7, LATER) is False
    held = journal.held_spans()[7]
    assert (held.since, held.reason, held.released) == (NOW, "drift", LATER)
    journal.hold(7, "drift again", LATER)
    assert journal.held_spans()[7].released is None


def test_a_span_that_was_read_is_held_no_more_whether_it_was_released_or_asked_for(journal):
    for span in (5, 6, 7):
        journal.hold(span, "drift", NOW)
    journal.release(6, LATER)
    journal.forget_holds([5, 6])
    assert journal.held_spans().keys() == {7}


def test_a_journal_that_another_process_writes_keeps_its_reserve(journal, tmp_path, monkeypatch):
    journal.begin("check", {}, NOW)
    reserve = tmp_path / "workspace" / "journal.reserve"
    monkeypatch.setattr("pipeline.registry.journal._WAIT", 0.0)
    with closing(sqlite3.connect(tmp_path / "workspace" / "journal.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            journal.begin("check", {}, LATER)
        assert reserve.exists()
    assert journal.begin("check", {}, LATER) == 2


def _begin_many(path):
    for _ in range(20):
        Journal(path).begin("check", {}, NOW)


def test_two_processes_may_write_at_once(tmp_path):
    path = tmp_path / "journal.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_begin_many, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert [attempt.number for attempt in Journal(path).attempts()] == list(range(1, 41))


ON_FULL_DISK = """
import pathlib, sys
from datetime import datetime, timezone
from pipeline.registry.journal import Journal
from pipeline.registry.names import Outcome
from tests.small_disk import filled

folder = pathlib.Path(sys.argv[1])
journal, now = Journal(folder / "journal.sqlite"), datetime.now(timezone.utc)
number = journal.begin("check", {}, now)
with filled(folder):
    journal.end(number, Outcome.FAILED, "x" * 2000, now, exit_code=4)
    journal.end(journal.begin("check", {}, now), Outcome.FAILED, "", now, exit_code=4)
    try:
        journal.remember({1: bytes(10**6)})
    except OSError as error:
        print(error.filename, error.strerror)
print([(each.number, each.outcome == "failed") for each in journal.attempts()])
journal.begin("check", {}, now)
print(sorted(file.name for file in folder.iterdir()))
"""


@needs_mount
def test_attempts_are_recorded_on_a_disk_that_filled_up(tmp_path):
    program = [sys.executable, "-c", ON_FULL_DISK, tmp_path]
    result = subprocess.run(on_disk(tmp_path, "size=1m", program), capture_output=True, text=True)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        f"{tmp_path}/journal.sqlite database or disk is full",
        "[(1, True), (2, True)]",
        "['journal.reserve', 'journal.sqlite']",
    ]
