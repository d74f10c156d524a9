"""Progress of the work on images: what is counted, and what it is called.

Beam's own metrics are available only after a pipeline has finished. On a runner that works in
other processes nobody listens, and nothing is reported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam

from trainer.common.progress import Report, phase, report

DECODED, FEATURES, SAMPLED = "reading images", "features", "sampling"  # kinds of work
NEAREST = "nearest training images"


def expect(kind: str, images: int) -> None:
    """Adds images to the total of a kind of work."""
    report(Report(kind, expected=images))


@contextmanager
def counted(kind: str, images: int) -> Iterator[None]:
    """Reports the work on so many images inside the block, and the images unless it fails."""
    with phase(kind):
        yield
        report(Report(kind, done=images))


class Expect(beam.DoFn):
    """Passes images on and adds them to the total of a kind of work.

    The total is known before the work starts if a Reshuffle lies between, or if the work needs a
    side input made of what is passed on.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def start_bundle(self) -> None:
        """Starts to count."""
        self._images = 0

    def process(self, image: Any) -> Iterator[Any]:
        """Yields the image."""
        self._images += 1
        yield image

    def finish_bundle(self) -> None:
        """Reports the images of the bundle."""
        expect(self._kind, self._images)
