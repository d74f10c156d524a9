"""Simulates a month of unattended retraining in minutes, with the faults that a schedule meets.

    python -m tests.month FOLDER [--days N]

Thirty daily spans of scikit-learn's digits arrive under a simulated clock. On some days no data or
bad data arrive, a run is killed, the disk fills up, or the power fails. Each night is a separate
process that does what `iadb run --if-new-data` does. Writes a table of the nights to FOLDER/days.md
and the dashboard to FOLDER/dashboard, and fails if a night did not end as expected. Requires root,
at least in a namespace (`unshare --user --map-root-user --mount`): the workspace is a separate,
small file system, so that the disk really fills up.
"""

import argparse
import contextlib
import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path

import numpy as np

from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import Site
from pipeline.monitoring.dashboard.write import write
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, Journal
from pipeline.registry.models import RegisteredModel, load_models
from pipeline.registry.names import Outcome
from pipeline.unattended.check import check as check_for_new_data
from pipeline.unattended.runs import IADB
from pipeline.workspace import Workspace
from tests import month_images
from tests.quick_iadb import QUICK_IADB
from trainer.common import exit_codes

START = datetime(2026, 3, 2, 3, 0, tzinfo=timezone.utc)  # the first night
FIRST_IMAGES, DAILY_IMAGES, HELD_OUT = 760, 28, 200
DISK_MB = 3000
QUALITY = "kid@holdout"


class Event(StrEnum):
    """What is special about a day."""

    NOTHING = "no data"
    ROTATED = "rotated digits"
    CORRUPT = "corrupt files"
    OTHER_SET = "another set's images"
    KILLED = "killed in training"
    FULL_DISK = "full disk"
    POWER_CUT = "power cut before the push"


MONTH = {
    5: Event.NOTHING,
    6: Event.POWER_CUT,  # early, while every model is certain to be blessed and pushed
    9: Event.ROTATED,
    12: Event.CORRUPT,
    15: Event.KILLED,
    18: Event.OTHER_SET,
    20: Event.NOTHING,
    23: Event.FULL_DISK,
}
BAD_DATA = {Event.ROTATED, Event.CORRUPT, Event.OTHER_SET}
# The start of the output line at which the night's process is killed.
KILL_AT = {Event.KILLED: "✓ RealFeatures", Event.POWER_CUT: "✓ SampleEvaluator"}

OVERRIDES = (
    "data.pattern=day-{SPAN}",
    "data.window=0",
    "drift.on_drift=hold",
    "model.channels=[32]",
    "model.attention=[false]",
    "model.blocks=1",
    "train.steps=300",
    "train.batch_size=64",
    "train.warm_start=true",
    "train.checkpoint.every_seconds=2",
    "sample.nb_step=8",
    "evaluate.samples=300",
    "evaluate.limits=none",  # a network of 300 steps draws gray digits
    "evaluate.thresholds.kid={maximum: null, max_worsening: 0.0}",
    "evaluate.thresholds.frechet_distance={max_worsening: 0.0}",
    "evaluate.thresholds.coverage={max_worsening: 0.0}",
    "schedule.retries=1",
    "schedule.retry_wait_seconds=1",
    "schedule.min_free_gb=0.05",
    "retention.runs=5",
    "retention.versions=3",
)


@dataclasses.dataclass(frozen=True)
class Night:
    """The outcome of a night.

    Attributes:
        day: starts at 1.
        event: what was special about the day, or None.
        attempts: the attempts of this night.
        live: the model that is live afterwards, or None.
    """

    day: int
    event: Event | None
    attempts: tuple[Attempt, ...]
    live: RegisteredModel | None


class Month:
    """The arriving data and the workspace, below one folder.

    With `quick`, a small network takes the place of the U-Net.
    """

    def __init__(
        self,
        folder: Path,
        calendar: Mapping[int, Event],
        days: int,
        overrides: Sequence[str] = (),
        quick: bool = False,
    ) -> None:
        self.folder = folder
        self.overrides = overrides
        self.quick = quick
        self.calendar = calendar
        self.days = days
        self.workspace = Workspace(folder / "workspace")
        self._images = month_images.digits()

    def config(self) -> PipelineConfig:
        """Returns the configuration, the same every night."""
        places = (f"data.folder={self.folder / 'data'}", f"data.holdout={self.folder / 'held-out'}")
        return load("digits", overrides=(*OVERRIDES, *places, *self.overrides))

    def nights(self) -> Iterator[Night]:
        """Simulates the month, night by night."""
        month_images.write(self.folder / "held-out", self._images[:HELD_OUT])
        for day in range(1, self.days + 1):
            event = self.calendar.get(day)
            self._deliver(day, event)
            before = len(self._journal.attempts())
            if event is Event.FULL_DISK:
                with self._full_disk():
                    self._run(day, hour=0)
            else:
                self._run(day, hour=0, kill_at=KILL_AT.get(event))
            if event in (*KILL_AT, Event.FULL_DISK):
                self._run(day, hour=1)  # after the machine restarted
            attempts = tuple(self._journal.attempts()[before:])
            yield Night(day, event, attempts, self.live())

    def models(self) -> list[RegisteredModel]:
        """Returns all trained models."""
        if not self.workspace.metadata.exists():
            return []
        return load_models(lineage.connect(self.workspace.metadata), self.workspace.serving)

    def live(self) -> RegisteredModel | None:
        """Returns the model that servers load."""
        return next((model for model in self.models() if model.live), None)

    @property
    def _journal(self) -> Journal:
        return Journal(self.workspace.journal)

    def _deliver(self, day: int, event: Event | None) -> None:
        if event is Event.NOTHING:
            return
        start = HELD_OUT if day == 1 else HELD_OUT + FIRST_IMAGES + (day - 2) * DAILY_IMAGES
        images = self._images[start : start + (FIRST_IMAGES if day == 1 else DAILY_IMAGES)]
        if event is Event.ROTATED:
            images = np.rot90(images, axes=(1, 2))
        if event is Event.OTHER_SET:
            images = month_images.photographs(len(images))
        span = self.folder / "data" / f"day-{day:02}"
        month_images.write(span, images)
        if event is Event.CORRUPT:
            for path in span.iterdir():
                path.write_bytes(path.read_bytes()[:60])

    def _run(self, day: int, hour: int, kill_at: str | None = None) -> None:
        """Runs one night's process; kills it when an output line starts with `kill_at`."""
        command = [sys.executable, "-m", "tests.month", str(self.folder)]
        command += ["--night", (START + timedelta(days=day - 1, hours=hour)).isoformat()]
        command += [f"--set={override}" for override in self.overrides]
        command += ["--quick"] if self.quick else []
        with (
            (self.folder / f"day-{day:02}.log").open("a") as log,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process,
        ):
            for line in process.stdout:
                log.write(line)
                if kill_at and line.startswith(kill_at):
                    process.send_signal(signal.SIGKILL)  # its child processes die with it
        assert process.returncode != exit_codes.UNEXPECTED, f"day {day}: see its log"
        assert kill_at is None or process.returncode == -signal.SIGKILL, f"day {day}: not killed"

    @contextlib.contextmanager
    def _full_disk(self) -> Iterator[None]:
        """Leaves half a megabyte free on the workspace's disk."""
        filler = self.workspace.folder / "filler"
        free = os.statvfs(self.workspace.folder)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - 2**19)
        try:
            yield
        finally:
            filler.unlink()


def check(month: Month, nights: list[Night]) -> None:
    """Raises an AssertionError if a night did not end as expected."""
    good = {n.day for n in nights if n.event not in BAD_DATA and n.event is not Event.NOTHING}
    bad = {n.day for n in nights if n.event in BAD_DATA}
    journal = Journal(month.workspace.journal)
    models = month.models()
    for night in nights:
        outcomes = [attempt.outcome for attempt in night.attempts]
        if night.event is Event.NOTHING:
            assert outcomes == [Outcome.NOTHING_NEW], night
        elif night.day in bad:
            assert outcomes == [Outcome.HELD], night
        else:
            assert outcomes[-1] in (Outcome.BLESSED, Outcome.NOT_BLESSED), night
        if night.event is Event.POWER_CUT:  # the model was already blessed; it is pushed later
            assert outcomes == [Outcome.INTERRUPTED, Outcome.BLESSED], night
        assert night.live is not None, night
        assert bad.isdisjoint(night.live.spans), night
        assert night.live.blessed, night
    assert journal.held_spans().keys() == bad
    assert journal.snapshots().keys() == good, "every good day was read"
    assert set(models[-1].spans) >= good, "nothing that is read is forgotten"
    first, last = nights[0].live, nights[-1].live
    assert last.metrics[QUALITY] <= first.metrics[QUALITY], (first, last)
    with contextlib.closing(sqlite3.connect(month.workspace.metadata)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def table(nights: list[Night]) -> str:
    """Formats the nights as a Markdown table."""
    lines = [
        f"| day | arrived | attempts | live model | {QUALITY} |",
        "| --- | --- | --- | --- | --- |",
    ]
    for night in nights:
        told = "<br>".join(f"{a.outcome}: {_short(a)}" for a in night.attempts)
        live = f"{night.live.number} | {night.live.metrics[QUALITY]:.4f}" if night.live else "– | –"
        lines.append(f"| {night.day} | {night.event or 'digits'} | {told} | {live} |")
    return "\n".join(lines) + "\n"


def _short(attempt: Attempt) -> str:
    text = attempt.message.replace("|", "/")
    return text if len(text) <= 160 else f"{text[:159]}…"


def _night(month: Month, now: datetime) -> int:
    config = month.config()
    result = check_for_new_data(
        config,
        month.workspace,
        cause="schedule",
        report=lambda line: print(line, flush=True),
        now=lambda: now,
        iadb=QUICK_IADB if month.quick else IADB,
    )
    print(f"{result.outcome}: {result.message}", flush=True)
    return result.exit_code


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[None]:
    """Mounts an in-memory file system of DISK_MB megabytes on a folder; requires root."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main() -> None:
    """Runs the month, or one night of it with --night."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--night", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    month = Month(
        arguments.folder.resolve(), MONTH, arguments.days, arguments.overrides, arguments.quick
    )
    if arguments.night:
        sys.exit(_night(month, arguments.night))
    month.folder.mkdir(parents=True)
    with own_disk(month.workspace.folder):
        nights = []
        for night in month.nights():
            nights.append(night)
            for told in night.attempts:
                print(f"day {night.day:2}: {told.outcome}: {_short(told)}", flush=True)
            (month.folder / "days.md").write_text(table(nights), "utf-8")
        morning = START + timedelta(days=arguments.days - 1, hours=6)
        write(Site(collect(month.workspace), morning.astimezone()), month.folder / "dashboard")
        check(month, nights)
    print(f"all as it should be: {month.folder / 'days.md'}, {month.folder / 'dashboard'}")


if __name__ == "__main__":
    main()
