"""Progress of the work on images: what is counted, and what it is called.

Beam's own metrics are available only after a pipeline has finished. What a runner does in other
processes is not reported.
"""

from collections.abc import Iterator
from contextlib import contextmanager

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
