"""Finds images that no run has read yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from components.image_example_gen.errors import ImageDataError, NotHeldError
from components.image_example_gen.folders.listing import check_not_unread
from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import Span
from components.image_example_gen.windows import choose_window, list_spans
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.registry.journal import HeldSpan, Journal
from pipeline.registry.read_files import digests, snapshot
from trainer.common.text import quantity

SPANS_SHOWN = 5  # spans that a line names one by one


@dataclass(frozen=True)
class SpanState:
    """A span, compared with what runs have read of it.

    Attributes:
        number: of the span; 0 if the data have no spans.
        folder: relative to the data folder; empty also if it is gone.
        images: number of image files; None if it is held, excluded or unlisted. Without any, it is
            left out until they come.
        new: number of those files that no run has read.
        trained: whether a run has read some of it.
        late: whether new files arrived after a run had read a later span.
        in_window: whether the next run reads it.
        unlisted: whether a folder or an archive in it cannot be read: nothing is known then.
        held: when and why it was held, and when it was released; None if it never was.
    """

    number: int
    folder: str
    images: int | None
    new: int
    trained: bool
    late: bool
    in_window: bool
    unlisted: bool
    held: HeldSpan | None

    @property
    def released(self) -> bool:
        """Whether it was held, and a person has accepted that."""
        return self.held is not None and self.held.released is not None


@dataclass(frozen=True)
class Finding:
    """The state of the data at one time.

    Attributes:
        spans: all spans, ascending.
        numbered: whether the data have spans; otherwise the whole folder is span 0.
    """

    spans: tuple[SpanState, ...]
    numbered: bool

    @property
    def empty(self) -> tuple[int, ...]:
        """The spans that are left out until there are files in their folders."""
        return tuple(span.number for span in self.spans if span.images == 0 and span.folder)

    @property
    def new(self) -> dict[int, int]:
        """Number of new images by span, of those that the next run reads."""
        return {span.number: span.new for span in self.spans if span.in_window and span.new}

    @property
    def late(self) -> dict[int, int]:
        """Those of them that arrived after a run had read a later span."""
        return {span.number: span.new for span in self.spans if span.in_window and span.late}

    @property
    def outside(self) -> dict[int, int]:
        """Number of new images by span, of those too old for the next run."""
        return {span.number: span.new for span in self.spans if span.new and not span.in_window}

    @property
    def held(self) -> tuple[SpanState, ...]:
        """The spans held for review."""
        return tuple(span for span in self.spans if span.held and not span.released)

    @property
    def released(self) -> bool:
        """Whether some of the new images were held and then released by a person."""
        return any(span.released for span in self.spans if span.number in self.new)

    @property
    def used_up(self) -> tuple[int, ...]:
        """The spans that were released, of which there is nothing any more that was held."""
        return tuple(
            span.number
            for span in self.spans
            if span.released and span.images is not None and not span.new
        )

    @property
    def newest(self) -> int | None:
        """The last span that the next run reads; None if it reads none."""
        return max((span.number for span in self.spans if span.in_window), default=None)

    @property
    def text(self) -> str:
        """A summary in one line."""
        images = sum(self.new.values())
        found = quantity(images, "new image") if images else "no new images"
        if self.numbered and self.new:
            found += self._where()
        elif self.numbered and self.newest is not None:
            found += f", the newest span is {self.newest}"
        if self.outside:
            spans = ", ".join(map(str, [*self.outside][-SPANS_SHOWN:]))
            found += f"; {sum(self.outside.values()):,} in spans outside data.window: {spans}"
        if self.held and self.numbered:  # the reasons were reported when they were held
            numbers = ", ".join(str(span.number) for span in self.held[-SPANS_SHOWN:])
            found += f"; held (see `iadb spans`): {numbers}"
        elif self.held:
            reason = self.held[0].held.reason
            found += f"; the folder is held: {reason}; to accept: `iadb spans release 0`"
        return found

    def _where(self) -> str:
        parts = [f"{'late ' if n in self.late else ''}in span {n}" for n in self.new]
        if len(parts) == 1:
            return f" {parts[0]}"
        counts = self.new.values()
        counted = [f"{count:,} {part}" for count, part in zip(counts, parts, strict=True)]
        if earlier := len(counted[:-SPANS_SHOWN]):
            counted.append(f"the rest in {quantity(earlier, 'earlier span')}")
        return f": {', '.join(counted[-SPANS_SHOWN - bool(earlier) :])}"

    def as_json(self) -> dict[str, object]:
        """The form for the journal; keys of JSON objects are strings."""
        return {
            "text": self.text,
            "newest": self.newest,
            "new": {str(n): count for n, count in self.new.items()},
            "late": {str(n): count for n, count in self.late.items()},
            "outside": {str(n): count for n, count in self.outside.items()},
            "held": [span.number for span in self.held],
        }


def look(config: PipelineConfig, journal: Journal) -> Finding:
    """Compares the files of the data folder with what the journal remembers.

    Raises:
        ImageDataError: the folder or its spans do not match the configuration.
    """
    data, numbered = config.data, has_spans(config.data.pattern)
    held, remembered = journal.held_spans(), journal.snapshots()
    unreleased = {number for number, span in held.items() if span.released is None}
    there = {span.number: span for span in list_spans(data.folder, data.pattern)}
    # Also those whose folders are gone, or a person would look in vain for what is held.
    numbers = there.keys() | (held.keys() if numbered else set())
    found: dict[int, bytes] = {}
    unlisted: dict[int, NotHeldError] = {}  # which matter only in a window
    for number in numbers - unreleased - {*data.exclude}:
        try:
            span = there.get(number)
            found[number] = snapshot(data.folder, span, data.paired_source) if span else b""
        except NotHeldError as error:
            unlisted[number] = error
    if not unlisted and not any(found.values()):
        _check_there(data.folder, found, remembered)
    # A folder that is made before its files come is not the newest span yet.
    empty = {number for number in found.keys() & there.keys() if not found[number]}
    left_out = unreleased | {*data.exclude} | empty
    window: tuple[Span, ...] = ()
    if there.keys() - left_out and data.span not in empty | unreleased:
        window = choose_window(tuple(there.values()), data.span, data.window, left_out)
    read = [span.number for span in window]
    for number in unlisted.keys() & {*read}:
        raise unlisted[number]
    latest = max(remembered, default=0)
    states = []
    for number in sorted(numbers):
        before = digests(remembered.get(number, b""))
        files = digests(found.get(number, b""))
        new = len(np.union1d(files, before)) - len(before)
        states.append(
            SpanState(
                number=number,
                folder=there[number].folder if number in there else "",
                images=len(files) if number in found else None,
                new=new,
                trained=number in remembered,
                late=number in remembered and new > 0 and number < latest,
                in_window=number in read,
                unlisted=number in unlisted,
                held=held.get(number),
            )
        )
    return Finding(tuple(states), numbered)


def _check_there(folder: str, spans: Iterable[int], remembered: Mapping[int, bytes]) -> None:
    """Raises an ImageDataError if all images that runs have read are gone, or none can be read."""
    before = sum(len(digests(remembered.get(span, b""))) for span in spans)
    if not remembered:
        check_not_unread(folder)
    if before:
        raise ImageDataError(
            f"{folder}: there are no images any more, of {quantity(before, 'file')} that runs have "
            "read; is the folder mounted?"
        )
