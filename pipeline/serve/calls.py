"""Calls of a model: what a request may ask for, and how many are called at once."""

import asyncio
import contextlib
import io
import math
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import Signature
from pipeline.serve.versions import Version
from trainer.common.text import quantity
from trainer.source.options import MAX_PIXELS

AT_ONCE = 2  # calls: one image alone does not use all cores
PART_SECONDS = 0.5  # of a call; a request for more images is divided, and others have their turn
FIRST_RATE = 100.0  # images times steps a second, until some were measured
GROWTH = 4  # of a part from one to the next, at most
MEMORY = 0.8  # weight of all earlier calls beside the latest one
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
        alpha = self.inputs.get("alpha", np.zeros(1))
        if not np.all((alpha >= 0) & (alpha <= 1)):  # false for NaN
            raise RequestError("alpha: expected 0 to 1")
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

    @property
    def states(self) -> int:
        """Images times steps."""
        return self.rows * self.steps

    def part(self, begin: int, end: int) -> "Call":
        """The same for some of the rows."""
        inputs = {
            name: array[begin:end] if array.ndim else array for name, array in self.inputs.items()
        }
        return Call(self.version, self.signature, inputs)


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
    """Calls models in a few threads, requests for many images by turns.

    Args:
        observe: is called with each call and its seconds.
        patience: seconds that a request may take.
    """

    def __init__(self, observe: Callable[[Call, float], None], patience: float) -> None:
        self._observe = observe
        self._patience = patience
        self._threads = ThreadPoolExecutor(AT_ONCE, "calls")
        self._requests = 0  # in progress
        self._states = 0  # images times steps that they still need
        self._rate = FIRST_RATE  # of a call

    def stop(self) -> None:
        """Ends when the calls in progress are done."""
        self._threads.shutdown()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a call."""
        return max(self._requests - AT_ONCE, 0)

    async def outputs(self, call: Call) -> dict[str, np.ndarray]:
        """The outputs of a call, by name; to cancel this ends the work for them.

        Raises:
            RequestError: too many wait, or they take too long, or the model rejects the inputs.
        """
        # All end late where all have turns: half of what the time allows leaves a margin.
        excess = (self._states + call.states) / self._rate / AT_ONCE - self._patience / 2
        if self.waiting >= MAX_WAITING or (self._requests and excess > 0):
            raise RequestError(
                f"{self._requests} requests are being answered; try again later",
                429,
                max(RETRY_SECONDS, math.ceil(excess)),
            )
        left = call.states
        self._requests, self._states = self._requests + 1, self._states + left
        size, begin, found = PART_SECONDS * self._rate / max(call.steps, 1), 0, []
        try:
            while not found or begin < call.rows:
                part = call.part(begin, begin + max(int(size), 1))
                outputs, seconds = await self._submit(part)
                found.append(outputs)
                size = part.rows * min(PART_SECONDS / max(seconds, 1e-3), GROWTH)
                begin += part.rows
                left, self._states = left - part.states, self._states - part.states
        except RequestError as error:
            raise RequestError(f"after row {begin}: {error}" if begin else str(error)) from None
        finally:
            self._requests, self._states = self._requests - 1, self._states - left
        return {name: _joined([each[name] for each in found]) for name in found[0]}

    async def _submit(self, part: Call) -> tuple[dict[str, np.ndarray], float]:
        run = asyncio.get_running_loop().run_in_executor
        outputs, seconds = await run(self._threads, self._run, part)
        latest = part.states / max(seconds, 1e-3)
        mean = MEMORY * self._rate + (1 - MEMORY) * latest
        # A short call shows at most that more is possible: of few images, each takes longer.
        self._rate = mean if seconds > PART_SECONDS / 2 else max(self._rate, latest)
        return outputs, seconds

    def _run(self, part: Call) -> tuple[dict[str, np.ndarray], float]:
        started = time.monotonic()
        outputs = part.version.call(part.signature.name, part.inputs)
        seconds = time.monotonic() - started
        self._observe(part, seconds)
        return outputs, seconds


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
