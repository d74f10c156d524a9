"""Calls of a model: what a request may ask for, and how many are called at once."""

import asyncio
import contextlib
import io
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import Signature
from pipeline.serve.versions import Version
from trainer.common.text import quantity
from trainer.source.options import MAX_PIXELS

AT_ONCE = 2  # calls: a small request need not wait for the end of a large one
MAX_WAITING = 128  # requests
RETRY_SECONDS = 5  # after which a client may try again that was one too many
REQUEST_PIXELS = 16 * MAX_PIXELS  # of the files of a request, which are decoded one after another
FILES = "image_bytes"  # the input with files, of models that translate
PNG, PNG_HEADER = b"\x89PNG\r\n\x1a\n", struct.Struct(">16x2I")  # width and height


@dataclass(frozen=True)
class Call:
    """What a request asks of a model.

    Args:
        version: that is live when it begins.
        signature: to call.
        inputs: that fit the signature.

    Raises:
        RequestError: it asks for more than the limits of the model.
    """

    version: Version
    signature: Signature
    inputs: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        capacity = self.version.most_rows(self.signature, self.inputs)
        # Without images as well: the loop over the steps would run as often.
        of_limits = "(sample.limits of the model, in steps of its own solver)"
        if not capacity:
            limits = self.version.limits
            raise RequestError(
                f"{self.steps} steps: one request may ask for at most "
                f"{min(limits.nb_step, limits.states)} {of_limits}"
            )
        if self.rows > capacity:
            raise RequestError(
                f"{quantity(self.rows, 'image')} in {quantity(self.steps, 'step')}: one request "
                f"may ask for at most {quantity(capacity, 'image')} in as many steps "
                f"{of_limits}"
            )
        if (pixels := _pixels(self.inputs.get(FILES, ()))) > REQUEST_PIXELS:
            raise RequestError(
                f"{pixels:,} pixels in {self.rows} files: one request may have at most "
                f"{REQUEST_PIXELS:,}",
                413,
            )

    @property
    def rows(self) -> int:
        """Images of the request."""
        return max((len(array) for array in self.inputs.values() if array.ndim), default=0)

    @property
    def steps(self) -> int:
        """Steps of the model's own solver, which cost as much as those of the request."""
        return self.version.steps(self.signature, self.inputs)


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


class Calls:
    """Calls models in a few threads.

    Args:
        observe: is called with each call and its seconds.
    """

    def __init__(self, observe: Callable[[Call, float], None]) -> None:
        self._observe = observe
        self._threads = ThreadPoolExecutor(AT_ONCE, "calls")
        self._begun: set[Future] = set()

    def stop(self) -> None:
        """Ends when all calls are done."""
        self._threads.shutdown()

    @property
    def waiting(self) -> int:
        """The number of calls that wait."""
        return sum(not (each.running() or each.done()) for each in self._begun)

    def submit(self, call: Call) -> asyncio.Future:
        """The outputs of a call, by name; to cancel them gives up its place in the queue.

        Raises:
            RequestError: too many wait.
        """
        if self.waiting >= MAX_WAITING:
            raise RequestError(
                f"{MAX_WAITING} requests are waiting; try again later", 429, RETRY_SECONDS
            )
        called = self._threads.submit(self._run, call)
        self._begun.add(called)
        outputs = asyncio.wrap_future(called)
        outputs.add_done_callback(lambda _: self._begun.discard(called))
        return outputs

    def _run(self, call: Call) -> dict[str, np.ndarray]:
        started = time.monotonic()
        try:
            return call.version.call(call.signature.name, call.inputs)
        finally:
            self._observe(call, time.monotonic() - started)
