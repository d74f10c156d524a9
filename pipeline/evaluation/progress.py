"""Progress of an evaluation: bars on a terminal, elsewhere a line from time to time."""

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.progress import DECODED, FEATURES, SAMPLED
from trainer.fit.callbacks import LINE_SECONDS

_NAMES = {DECODED: "reading images", FEATURES: "features", SAMPLED: "sampling"}


class ImageProgress:
    """Shows images done, images/s and time left for each kind of work in components/progress.py.

    Attributes:
        console: to print on.
        seconds: spent on each kind of work so far.
    """

    def __init__(self, console: Console) -> None:
        self.seconds: Counter[str] = Counter()
        self.console = console
        self._bars = Progress(
            TextColumn("  {task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images · {task.fields[rate]:,.0f} images/s ·"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks = {
            kind: self._bars.add_task(name, total=0, visible=False, rate=0.0)
            for kind, name in _NAMES.items()
        }
        self._first: dict[str, tuple[float, int]] = {}  # end of the first batch, and its size
        self._printed = time.monotonic()

    def __enter__(self) -> "ImageProgress":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def expect(self, kind: str, images: int) -> None:
        """Adds images to the total of a kind of work."""
        task = self._bars.tasks[self._tasks[kind]]
        self._bars.update(task.id, total=task.total + images, visible=True)

    def __call__(self, kind: str, images: int, seconds: float) -> None:
        """Advances a bar; a listener for components/progress.py."""
        now = time.monotonic()
        self.seconds[kind] += seconds
        task = self._bars.tasks[self._tasks[kind]]
        done = int(task.completed) + images
        # The first batch also loads and compiles, so the rate leaves it out.
        since, before = self._first.setdefault(kind, (now, done))
        rate = (done - before) / (now - since) if now > since else 0.0
        self._bars.update(task.id, completed=done, rate=rate)
        if not self.console.is_terminal and rate and now - self._printed >= LINE_SECONDS:
            self._printed = now
            self.console.print(
                f"  {_NAMES[kind]:<14}  {done:,}/{task.total:,.0f} images · {rate:,.0f} images/s · "
                f"{(task.total - done) / rate:.0f} s left",
                soft_wrap=True,
            )

    def describe_times(self, total_seconds: float) -> str:
        """The total time and the time of each kind of work, in words."""
        parts = [f"{name} {self.seconds[kind]:.1f} s" for kind, name in _NAMES.items()]
        return f"{total_seconds:.1f} s: {', '.join(parts)}"
