"""Finds images that no run has read yet. TFX is imported for remote folders only."""

from dataclasses import dataclass

from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import Span, choose_window, list_spans
from pipeline.config import PipelineConfig
from pipeline.registry.journal import HeldSpan, Journal
from pipeline.registry.read_files import digests, snapshot

SPANS_SHOWN = 5  # spans that a line names one by one


@dataclass(frozen=True)
class SpanState:
    """A span, compared with what runs have read of it.

    Attributes:
        number: of the span; 0 if the data have no spans.
        folder: relative to the data folder.
        images: number of image files; None if the span is not read, as it is held or excluded.
        new: number of those that no run has read.
        trained: whether a run has read some of it.
        late: whether the new ones arrived after a run had read a later span.
        in_window: whether the next run reads it.
        held: when and why it was held, and when it was released; None if it never was.
    """

    number: int
    folder: str
    images: int | None
    new: int
    trained: bool
    late: bool
    in_window: bool
    held: HeldSpan | None


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
    def new(self) -> dict[int, int]:
        """Number of new images by span, for the spans that the next run reads."""
        return {span.number: span.new for span in self.spans if span.in_window and span.new}

    @property
    def late(self) -> dict[int, int]:
        """Those of them that arrived after a run had read a later span."""
        return {span.number: span.new for span in self.spans if span.in_window and span.late}

    @property
    def outside(self) -> dict[int, int]:
        """Number of new images by span, for the spans that are too old for the next run."""
        return {span.number: span.new for span in self.spans if span.new and not span.in_window}

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
    def newest(self) -> int | None:
        """The last span that the next run reads; None if it reads none."""
        return max((span.number for span in self.spans if span.in_window), default=None)

    @property
    def text(self) -> str:
        """A summary in one line."""
        total = sum(self.new.values())
        found = f"{total:,} new image{'' if total == 1 else 's'}" if total else "no new images"
        if self.numbered and total:
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
    """Compares the files of the data folder with what the journal remembers.

    Raises:
        ImageDataError: the folder or its spans do not match the configuration.
    """
    data = config.data
    held = journal.held_spans()
    remembered = journal.snapshots()
    spans = list_spans(data.folder, data.pattern)
    closed = {number for number, span in held.items() if span.released is None} | {*data.exclude}
    window: list[Span] = []
    if not closed.issuperset(span.number for span in spans):
        window = choose_window(spans, data.span, data.window, closed)
    states = [
        _compare(
            span,
            None if span.number in closed else snapshot(data.folder, span, data.paired_source),
            remembered,
            span in window,
            held.get(span.number),
        )
        for span in spans
    ]
    return Finding(tuple(states), has_spans(data.pattern))


def _compare(
    span: Span,
    files: bytes | None,
    remembered: dict[int, bytes],
    in_window: bool,
    held: HeldSpan | None,
) -> SpanState:
    read = remembered.get(span.number, b"")
    new = len(digests((files or b"") + read)) - len(digests(read))
    trained = span.number in remembered
    return SpanState(
        number=span.number,
        folder=span.folder,
        images=None if files is None else len(digests(files)),
        new=new,
        trained=trained,
        late=trained and new > 0 and span.number < max(remembered),
        in_window=in_window,
        held=held,
    )
