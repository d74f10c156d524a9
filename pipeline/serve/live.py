"""Follows what is live: loads each pushed version beside the old one and then swaps them."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from components.atomic_pusher.versions import complete_versions
from pipeline.serve.errors import RequestError
from pipeline.serve.versions import Version
from trainer.common.text import first_line, printable

POLL_SECONDS = 1.0
NOT_LOADED = "does not load; the output of the server says why"  # with paths of this machine
RETRY_SECONDS = 60.0  # until a version that failed to load is tried again


class Live:
    """The live version; a thread of its own replaces it.

    A request holds the version that it began with. When no request holds a replaced one, its
    memory is freed.

    Args:
        find: returns the folder of the live version, or None if there is none yet.
        report: is called with one line about each change.
        poll_seconds: between two looks for another version.
        has_trained: whether there are trained models, of which none need be live.

    Attributes:
        current: the live version; None before the first is loaded.
        failed: number of the newest version and why it does not load; None if it does.
        swaps: versions that went live so far.
    """

    def __init__(
        self,
        find: Callable[[], Path | None],
        report: Callable[[str], None],
        poll_seconds: float = POLL_SECONDS,
        has_trained: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find = find
        self._has_trained = has_trained
        self._report = report
        self._poll_seconds = poll_seconds
        self.current: Version | None = None
        self._loading: int | None = None
        self.failed: tuple[int, str] | None = None
        self.swaps = 0
        self._tried = 0.0
        self._replaced: list[weakref.ref[Version]] = []  # versions that may be in memory
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="versions", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after the load in progress, which it reports: that may take a minute."""
        self._stop.set()
        if (number := self._loading) is not None:
            self._report(f"waiting for version {number}, which is being loaded")
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether pushes are followed."""
        return self._thread.is_alive()

    def version(self, number: int | None = None) -> Version:
        """The live version.

        Args:
            number: that the request names; None for whatever is live.

        Raises:
            RequestError: there is none, or it has another number.
        """
        version = self.current
        if version is None:
            raise RequestError(self._why_not(), 503, retry_after=5)
        if number not in (None, version.number):
            raise RequestError(f"version {number} is not served; version {version.number} is", 404)
        return version

    def _why_not(self) -> str:
        """Why no version is live, in one line for anyone, without paths of this machine."""
        if self._loading is not None:
            return f"version {self._loading} is being loaded"
        if self.failed:
            return f"version {self.failed[0]} {NOT_LOADED}"
        if self._has_trained():
            return (
                "no model was pushed yet, though some were trained: `iadb models` lists them, and "
                "`iadb promote` makes one live"
            )
        return "no model was pushed yet"

    def _follow(self) -> None:
        trouble = ""
        while True:
            try:
                self.update()
                trouble = ""
            except Exception as error:  # whatever it is, the next look may succeed
                known, trouble = trouble, printable(first_line(error))
                if trouble != known:
                    self._report(f"versions cannot be followed: {trouble}")
            self._free()
            if self._stop.wait(self._poll_seconds):
                return

    def _free(self) -> None:
        """Frees replaced versions that no request holds.

        A SavedModel refers to itself, and so does an error by way of its traceback, which may hold
        a version. What is found to be gone gets one more collection, of its SavedModel.
        """
        if self._replaced:
            held = [version for version in self._replaced if version() is not None]
            gc.collect()
            self._replaced = held

    def update(self) -> None:
        """Loads the newest version, unless it is live, and puts it in the place of the old one.

        Raises:
            OSError: the versions cannot be listed.
        """
        folder = self._find()
        if folder is None:
            return
        number = version_number(folder)
        if self.current is not None and number == self.current.number:
            self.failed = None
            return
        known_to_fail = self.failed is not None and self.failed[0] == number
        if not known_to_fail or time.monotonic() >= self._tried + RETRY_SECONDS:
            self._load(folder, number)

    def _load(self, folder: Path, number: int) -> None:
        self._loading, self._tried = number, time.monotonic()
        try:
            version = Version(folder, number)
        except Exception as error:  # TensorFlow raises many types
            reason = printable(first_line(error))
            known, self.failed = self.failed, (number, reason)
            if known != self.failed:
                old = self.current
                kept = f"; version {old.number} stays live" if old else ""
                self._report(f"version {number} does not load: {reason}{kept}")
            return
        finally:
            self._loading = None
        if self.current is not None:
            self._replaced.append(weakref.ref(self.current))
        self.current, self.failed = version, None
        self.swaps += 1
        seconds = time.monotonic() - self._tried
        self._report(f"version {number} is live, loaded in {seconds:.1f} s")


def version_number(folder: Path) -> int:
    """The number of a version's folder; 1 for a folder with another name."""
    return int(folder.name) if folder.name.isdecimal() else 1


def newest(serving: Path) -> Path | None:
    """The folder of the live version below a folder of versions."""
    versions = complete_versions(serving)
    return versions[-1] if versions else None
