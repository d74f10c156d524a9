"""Adds up the reports of progress.py, and describes each phase in words."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from trainer.common.progress import Report

OTHER = "other"  # the time outside all phases
INSTANT = 0.05  # seconds, too short for a rate
RATE_REPORTS = 100  # number of last reports that a rate covers


@dataclass
class Phase:
    """The state of a phase.

    Attributes:
        name: of the phase.
        since: when it was first reported, or began after it was announced, by time.monotonic.
        running: blocks of it that have begun and not ended.
        done: units done.
        total: units expected; 0 if unknown.
        unit: what is counted.
        note: shown beside the count.
    """

    name: str
    since: float
    running: int = 0
    done: int = 0
    total: int = 0
    unit: str = "images"
    note: str = ""
    _ends: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_REPORTS))

    @property
    def unfinished(self) -> bool:
        """Whether it runs, or less is done than expected."""
        return self.running > 0 or self.done < self.total

    def update(self, change: Report, now: float) -> None:
        """Adds a report."""
        if not self.unfinished:
            self.since = now
            if self.total:  # all were done: another round begins
                self.done = self.total = 0
                self._ends.clear()
        elif change.entered > 0 and not self.running and not self.done:
            self.since = now  # until now, it waited for other work
        self.running = max(0, self.running + change.entered)
        self.total += change.expected
        if change.expected or change.done:
            self.unit, self.note = change.unit, change.note
        if change.done:
            self.done += change.done
            self._ends.append((now, self.done))

    def describe(self) -> str:
        """What is done, how fast, and the time left; for a phase without a count, its duration."""
        if not self.done and not self.total:
            return duration(time.monotonic() - self.since)
        of = f"/{self.total:,}" if self.total else ""
        parts = [f"{self.done:,}{of} {self.unit}".rstrip()]
        if rate := self.rate:
            parts.append(_pace(rate))
        if self.note:
            parts.append(self.note)
        if left := self.left:
            parts.append(f"{duration(left)} left")
        return " · ".join(parts)

    @property
    def rate(self) -> float:
        """Units per second; 0 if unknown."""
        if not self._ends:
            return 0.0
        # The first units include loading and compiling: as soon as there are others, those count.
        start, before = self._ends[0] if len(self._ends) > 1 else (self.since, 0)
        end, after = self._ends[-1]
        # A report at the beginning, as of a training that was resumed, says nothing of the rate.
        return (after - before) / (end - start) if end - start > INSTANT else 0.0

    @property
    def left(self) -> float:
        """Seconds until all is done, at the rate so far; 0 if unknown, or if they have passed."""
        rate = self.rate
        if not rate or self.done >= self.total:
            return 0.0
        since = time.monotonic() - self._ends[-1][0]
        return max(0.0, (self.total - self.done) / rate - since)


class Phases:
    """The phases of some work; a listener for progress.py, called in any thread.

    Args:
        title: of the work.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._lock = threading.Lock()
        self._started = self._changed = time.monotonic()
        self._phases: dict[str, Phase] = {}
        self._running: list[str] = []  # names of the blocks that have begun and not ended
        self._seconds: Counter[str] = Counter()

    def __call__(self, change: Report) -> None:
        """Adds a report."""
        with self._lock:
            now = self._account()
            phase = self._phases.setdefault(change.phase, Phase(change.phase, now))
            phase.update(change, now)
            if change.entered > 0:
                self._running.append(change.phase)
            elif change.entered < 0 and change.phase in self._running:
                # The last of equal names: blocks end in the reverse order of their beginning.
                self._running.reverse()
                self._running.remove(change.phase)
                self._running.reverse()

    def seconds(self) -> dict[str, float]:
        """The time of each phase, which sum to the time since the beginning of the work.

        While blocks of several phases run, the time is that of the latest to begin; while none
        runs, it is OTHER.
        """
        with self._lock:
            self._account()
            return dict(self._seconds)

    def unfinished(self) -> list[Phase]:
        """Copies of the phases that run or wait for the rest of their units, oldest first."""
        with self._lock:
            unfinished = [phase for phase in self._phases.values() if phase.unfinished]
            return [replace(phase, _ends=phase._ends.copy()) for phase in unfinished]

    def find(self, name: str) -> Phase | None:
        """A copy of the unfinished phase of that name."""
        return next((phase for phase in self.unfinished() if phase.name == name), None)

    def describe(self) -> str:
        """The work and its unfinished phases, in one line."""
        found = "; ".join(f"{phase.name} {phase.describe()}" for phase in self.unfinished())
        return f"{self.title} · {found or duration(self.elapsed())}"

    def headline(self) -> str:
        """The work and its duration."""
        return f"{self.title} · {duration(self.elapsed())}"

    def elapsed(self) -> float:
        """Seconds since the beginning of the work."""
        return time.monotonic() - self._started

    def _account(self) -> float:
        """Adds the time since the last change to the phase that it belongs to; returns now."""
        now = time.monotonic()
        self._seconds[self._running[-1] if self._running else OTHER] += now - self._changed
        self._changed = now
        return now


def duration(seconds: float) -> str:
    """A duration in words, for example 45 s, 3 min 5 s or 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _pace(rate: float) -> str:
    """Units per second, or if they are fewer than one the time of each."""
    if rate >= 1:
        return f"{rate:,.{0 if rate >= 10 else 1}f}/s"
    return f"{1 / rate:.1f} s each" if rate > 0.1 else f"{duration(1 / rate)} each"
