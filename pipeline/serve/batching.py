"""Requests share calls of a model: those that wait for the same function run together."""

import contextlib
import io
import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
from PIL import Image

from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import Signature
from pipeline.serve.versions import Version
from trainer.common.text import quantity
from trainer.source.options import MAX_PIXELS

MAX_WAITING = 128  # requests
REQUEST_PIXELS = 16 * MAX_PIXELS  # of the files of a request, which are decoded one after another
FILES = "image_bytes"  # the input with files, of models that translate
PNG, PNG_HEADER = b"\x89PNG\r\n\x1a\n", struct.Struct(">16x2I")  # width and height
WAIT_SECONDS = 0.002  # of the first request for others to join it
LOG = logging.getLogger("iadb.access.batches")


@dataclass(eq=False)
class Job:
    """A request that waits for a call of the model.

    Args:
        version: that it began with.
        signature: to call.
        inputs: that fit the signature.
        expires: time.monotonic() after which nobody waits for it.

    Attributes:
        answer: receives the outputs by name, or an error.
        rows: images of the request.
        steps: of the model's own solver, which cost as much as those of the request.
        capacity: rows that one call with its solver steps may have.

    Raises:
        RequestError: it asks for more than the limits of the model.
    """

    version: Version
    signature: Signature
    inputs: Mapping[str, np.ndarray]
    expires: float
    answer: Future = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.rows = max((len(array) for array in self.inputs.values() if array.ndim), default=0)
        self.steps = self.version.steps(self.signature, self.inputs)
        self.capacity = self.version.most_rows(self.signature, self.inputs)
        # Without images as well: the loop over the steps would run as often.
        of_limits = "(sample.limits of the model, in steps of its own solver)"
        if not self.capacity:
            limits = self.version.limits
            raise RequestError(
                f"{self.steps} steps: one request may ask for at most "
                f"{min(limits.nb_step, limits.states)} {of_limits}"
            )
        if self.rows > self.capacity:
            raise RequestError(
                f"{quantity(self.rows, 'image')} in {quantity(self.steps, 'step')}: one request "
                f"may ask for at most {quantity(self.capacity, 'image')} in as many steps "
                f"{of_limits}"
            )
        if (pixels := _pixels(self.inputs.get(FILES, ()))) > REQUEST_PIXELS:
            raise RequestError(
                f"{pixels:,} pixels in {self.rows} files: one request may have at most "
                f"{REQUEST_PIXELS:,}",
                413,
            )

    @property
    def work(self) -> int:
        """What it costs: images times solver steps."""
        return max(self.rows * self.steps, 1)

    def joins(self, other: "Job") -> bool:
        """Whether both may be one call: all but the values of their rows is equal."""
        return (
            self.version is other.version
            and self.signature.name == other.signature.name
            and self._settings == other._settings
        )

    @property
    def _settings(self) -> dict[str, Any]:
        """The inputs that apply to all rows."""
        return {name: array.item() for name, array in self.inputs.items() if not array.ndim}


def _pixels(files: Iterable[bytes]) -> int:
    """The pixels of image files by their headers; the model says what is wrong with the others."""
    found = 0
    for file in files:
        if file.startswith(PNG) and len(file) >= PNG_HEADER.size:  # Pillow would inflate its texts
            width, height = PNG_HEADER.unpack_from(file)
            found += width * height
            continue
        with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            width, height = Image.open(io.BytesIO(file), formats=("JPEG",)).size
            found += width * height
    return found


class Batcher:
    """Calls models in one thread, several requests at a time.

    Args:
        observe: is called with the jobs and the seconds of each call.
    """

    def __init__(self, observe: Callable[[Sequence[Job], float], None]) -> None:
        self._observe = observe
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._running = 0  # work of the call in progress
        self._seconds_per_work = 0.001  # a moving average
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def start(self) -> None:
        """Begins to call."""
        self._thread.start()

    def stop(self) -> None:
        """Ends when all jobs are done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether jobs are called."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """The number of jobs that wait."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Queues a job.

        Raises:
            RequestError: too many wait.
        """
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                raise RequestError(
                    f"{MAX_WAITING} requests are waiting; try again later",
                    429,
                    retry_after=self.seconds_to_wait(),
                )
            self._waiting.append(job)
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Takes a job out of the queue, if it is still there, so that others get its place."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def seconds_to_wait(self) -> int:
        """How long what waits will take, as far as earlier calls tell; at least 1."""
        work = self._running + sum(job.work for job in self._waiting)
        return max(ceil(work * self._seconds_per_work), 1)

    def _run(self) -> None:
        while batch := self._take():
            started = time.monotonic()
            self._running = sum(job.work for job in batch)
            _answer(batch)
            seconds = time.monotonic() - started
            self._seconds_per_work += 0.2 * (seconds / self._running - self._seconds_per_work)
            self._running = 0
            try:
                self._observe(batch, seconds)
            except Exception:  # whatever it is, requests are answered without it
                LOG.exception("a call of the model was not observed")
            del batch  # it holds a version

    def _take(self) -> list[Job]:
        """Waits for jobs; returns some that can be one call, or none at the end."""
        with self._changed:
            while not (first := self._next()):
                if self._stopping:
                    return []
                self._changed.wait()
            batch, rows = [first], first.rows
            until = time.monotonic() + WAIT_SECONDS
            while True:
                for job in [each for each in self._waiting if each.joins(first)]:
                    if rows + job.rows <= first.capacity:
                        self._waiting.remove(job)
                        if _is_wanted(job):
                            batch.append(job)
                            rows += job.rows
                left = until - time.monotonic()
                if left <= 0 or rows >= first.capacity or self._stopping:
                    return batch
                self._changed.wait(left)

    def _next(self) -> Job | None:
        while self._waiting:
            if _is_wanted(job := self._waiting.popleft()):
                return job
        return None


def _is_wanted(job: Job) -> bool:
    """Whether a client still waits for it; from now on it cannot be canceled."""
    return time.monotonic() < job.expires and job.answer.set_running_or_notify_cancel()


def _answer(batch: Sequence[Job]) -> None:
    """Calls the model once, or once for each job if one of them is at fault."""
    try:
        parts = _split(_call(batch), batch)
    except Exception as error:  # TensorFlow raises many types
        if len(batch) == 1:
            # Frames of a traceback refer to jobs, which refer to the error: a cycle that would keep
            # the version.
            batch[0].answer.set_exception(error.with_traceback(None))
            return
        for job in batch:
            _answer([job])
        return
    for job, part in zip(batch, parts, strict=True):
        job.answer.set_result(part)


def _split(
    outputs: Mapping[str, np.ndarray], batch: Sequence[Job]
) -> list[Mapping[str, np.ndarray]]:
    """The outputs of each job: its rows, or all of them if it was called alone.

    Raises:
        ValueError: outputs of several jobs are not one row for each of theirs.
    """
    if len(batch) == 1:
        return [outputs]
    *starts, rows = np.cumsum([job.rows for job in batch])
    if any(array.shape[:1] != (rows,) for array in outputs.values()):
        raise ValueError("outputs do not have the rows of the inputs")
    parts = {name: np.split(array, starts) for name, array in outputs.items()}
    return [{name: parts[name][index] for name in outputs} for index in range(len(batch))]


def _call(batch: Sequence[Job]) -> dict[str, np.ndarray]:
    first = batch[0]
    inputs = {
        name: np.concatenate([job.inputs[name] for job in batch]) if array.ndim else array
        for name, array in first.inputs.items()
    }
    return first.version.call(first.signature.name, inputs)
