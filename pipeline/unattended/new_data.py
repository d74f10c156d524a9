"""Finds images that no run has read yet. TFX is imported for remote folders only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components.image_example_gen.errors import ImageDataError, NotListedError
from components.image_example_gen.files import check_not_unread
from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import Span, list_spans
from components.image_example_gen.windows import Windows, choose_windows
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.registry.journal import HeldSpan, Journal
from pipeline.registry.read_files import (
    digests,
    snapshot,
    snapshot_of_sources,
    sources_share_spans,
)
from trainer.common.text import quantity

SPANS_SHOWN = 5  # spans that a line names one by one


@dataclass(frozen=True)
class SpanState:
    """A span, compared with what runs have read of it.

    Sources count that are not paired with images, but belong to the same spans.

    Attributes:
        number: of the span; 0 if the data have no spans.
        folder: of its images, relative to the data folder; empty also if it has sources alone.
        images: number of image files; None if it is held, excluded or unlisted.
        sources: number of source files; None like `images`, and if no sources count.
        new: number of those files that no run has read.
        new_images: number of the images among these that the next run reads.
        new_sources: number of the sources among these that the next run reads.
        trained: whether a run has read some of it.
        late: whether new files arrived after a run had read a later span.
        in_window: whether the next run reads some of it.
        waiting: whether it is left out until there are files in each of its folders.
        unlisted: whether a folder or an archive in it cannot be read: nothing is known then.
        held: when and why it was held, and when it was released; None if it never was.
    """

    number: int
    folder: str
    images: int | None
    sources: int | None
    new: int
    new_images: int
    new_sources: int
    trained: bool
    late: bool
    in_window: bool
    waiting: bool
    unlisted: bool
    held: HeldSpan | None

    @property
    def outside(self) -> int:
        """Number of the new files that are outside the window of their folder."""
        return 0 if self.waiting else self.new - self.new_images - self.new_sources


@dataclass(frozen=True)
class Finding:
    """The state of the data at one time.

    Attributes:
        spans: all spans, ascending.
        numbered: whether the data have spans; otherwise the whole folder is span 0.
        closed: images or sources, of two folders, if all spans of one are held or excluded, so
            that no run can read the others; empty otherwise.
    """

    spans: tuple[SpanState, ...]
    numbered: bool
    closed: str = ""

    @property
    def empty(self) -> tuple[int, ...]:
        """The spans that are left out until there are files in each of their folders."""
        return tuple(span.number for span in self.spans if span.waiting)

    @property
    def new(self) -> dict[int, int]:
        """Number of new images and sources by span, of those that the next run reads."""
        counts = {span.number: span.new_images + span.new_sources for span in self.spans}
        return {number: count for number, count in counts.items() if count}

    @property
    def late(self) -> dict[int, int]:
        """Those of them that arrived after a run had read a later span."""
        late = {span.number for span in self.spans if span.late}
        return {number: count for number, count in self.new.items() if number in late}

    @property
    def outside(self) -> dict[int, int]:
        """Number of new images and sources by span, of those too old for the next run."""
        if self.closed:
            return {}
        return {span.number: span.outside for span in self.spans if span.outside}

    @property
    def held(self) -> tuple[SpanState, ...]:
        """The spans held for review."""
        return tuple(span for span in self.spans if span.held and not span.held.released)

    @property
    def released(self) -> bool:
        """Whether some of the new images were held and then released by a person."""
        return any(
            span.held and span.held.released for span in self.spans if span.number in self.new
        )

    @property
    def used_up(self) -> tuple[int, ...]:
        """The spans that were released, of which there is nothing any more that was held."""
        return tuple(
            span.number
            for span in self.spans
            if span.held and span.held.released and span.images is not None and not span.new
        )

    @property
    def newest(self) -> int | None:
        """The last span that the next run reads; None if it reads none."""
        return max((span.number for span in self.spans if span.in_window), default=None)

    @property
    def text(self) -> str:
        """A summary in one line."""
        images = sum(span.new_images for span in self.spans)
        sources = sum(span.new_sources for span in self.spans)
        counts = {"new image": images, "new source": sources}
        found = " and ".join(quantity(n, kind) for kind, n in counts.items() if n)
        found = found or "no new images"
        if self.numbered and self.new:
            found += self._where()
        elif self.numbered and self.newest is not None:
            found += f", the newest span is {self.newest}"
        if self.outside:
            spans = ", ".join(map(str, [*self.outside][-SPANS_SHOWN:]))
            found += f"; {sum(self.outside.values()):,} in spans outside data.window: {spans}"
        if self.closed and self.numbered:
            found += f"; all spans of {self.closed} are held or excluded"
        if self.held and self.numbered:  # the reasons were reported when they were held
            numbers = ", ".join(str(span.number) for span in self.held[-SPANS_SHOWN:])
            found += f"; held (see `iadb spans`): {numbers}"
        elif self.held:
            [folder] = self.held
            reason = folder.held.reason
            found += f"; the folder is held: {reason}; to accept: `iadb spans release 0`"
        return found

    def _where(self) -> str:
        new, late = self.new, self.late
        parts = [f"{'late ' if n in late else ''}in span {n}" for n in new]
        if len(new) == 1:
            return f" {parts[0]}"
        counted = [f"{count:,} {part}" for count, part in zip(new.values(), parts, strict=True)]
        earlier = len(counted) - SPANS_SHOWN
        rest = [f"the rest in {earlier} earlier span{'' if earlier == 1 else 's'}"]
        return f": {', '.join(counted[-SPANS_SHOWN:] + (rest if earlier > 0 else []))}"

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
    """Compares the files of the data folders with what the journal remembers.

    Raises:
        ImageDataError: a folder or its spans do not match the configuration.
    """
    data = config.data
    held = journal.held_spans()
    remembered = journal.snapshots()
    images, sources = list_spans(data.folder, data.pattern), []
    if data.unpaired_source and sources_share_spans(data):
        sources = list_spans(data.source, data.source_pattern)
    unreleased = {number for number, span in held.items() if span.released is None}
    closed = unreleased | {*data.exclude}
    folders = {"images": images, "sources": sources}
    blocking = [kind for kind, spans in folders.items() if spans and _are_closed(spans, closed)]
    image_of = {span.number: span for span in images}
    source_of = {span.number: span for span in sources}
    numbered = has_spans(data.pattern)
    # Also those whose folders are gone, or a person would look in vain for what is held.
    numbers = sorted(image_of.keys() | source_of.keys() | (held.keys() if numbered else set()))
    found: dict[int, list[bytes | None]] = {number: [None, None] for number in numbers}
    empty = set()  # a folder that is made before its files come is not the newest span yet
    unlisted: dict[int, NotListedError] = {}  # which matter only in a window
    for number in found.keys() - closed:
        image_span, source_span = image_of.get(number), source_of.get(number)
        try:
            found[number][0] = (
                snapshot(data.folder, image_span, data.paired_source) if image_span else b""
            )
            if sources:
                found[number][1] = (
                    snapshot_of_sources(data.source, source_span) if source_span else b""
                )
        except NotListedError as error:
            unlisted[number] = error
            continue
        folders_of = zip((image_span, source_span), found[number], strict=True)
        if any(span and not files for span, files in folders_of):
            empty.add(number)
    filled = {n: n in unlisted or any(found[n]) for n in found.keys() - closed}
    _check_there(data.folder, filled, remembered)
    windows, left_out = Windows((), ()), closed | empty
    some_left = not any(_are_closed(spans, left_out) for spans in folders.values() if spans)
    if some_left and data.span not in empty | unreleased:
        windows = choose_windows(images, sources, data.span, data.window, left_out)
    for span in (*windows.images, *windows.sources):
        if span.number in unlisted:
            raise unlisted[span.number]
    states = [
        _compare(
            image_of.get(number) or Span(number, None, ""),
            found[number],
            (image_of.get(number) in windows.images, source_of.get(number) in windows.sources),
            number in empty,
            number in unlisted,
            remembered,
            held.get(number),
        )
        for number in numbers
    ]
    return Finding(tuple(states), numbered, " and ".join(blocking if sources else []))


def _check_there(
    folder: str,
    filled: Mapping[int, bool],
    remembered: Mapping[int, bytes],
) -> None:
    """Raises an ImageDataError if all images that runs have read are gone, or none can be read."""
    before = sum(len(digests(remembered.get(span, b""))) for span in filled)
    if not remembered and not any(filled.values()):
        check_not_unread(folder)
    if before and not any(filled.values()):
        raise ImageDataError(
            f"{folder}: there are no images any more, of {quantity(before, 'file')} that runs have "
            "read; is the folder mounted?"
        )


def _are_closed(spans: Sequence[Span], closed: Collection[int]) -> bool:
    return all(span.number in closed for span in spans)


def _compare(
    span: Span,
    found: Sequence[bytes | None],
    in_window: Sequence[bool],
    waiting: bool,
    unlisted: bool,
    remembered: dict[int, bytes],
    held: HeldSpan | None,
) -> SpanState:
    """Compares a span; `found` and `in_window` are of its images and of its sources."""
    read = remembered.get(span.number, b"")
    images, sources = (None if files is None else len(digests(files)) for files in found)
    new = [len(digests((files or b"") + read)) - len(digests(read)) for files in found]
    new_images, new_sources = (
        count if reads else 0 for count, reads in zip(new, in_window, strict=True)
    )
    trained = span.number in remembered
    return SpanState(
        number=span.number,
        folder=span.folder,
        images=images,
        sources=sources,
        new=sum(new),
        new_images=new_images,
        new_sources=new_sources,
        trained=trained,
        late=trained and sum(new) > 0 and span.number < max(remembered),
        in_window=any(in_window),
        waiting=waiting,
        unlisted=unlisted,
        held=held,
    )
