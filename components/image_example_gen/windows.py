"""Chooses the spans of the data that a run reads: the window of images, and that of sources.

Imports neither TFX nor TensorFlow for local folders.
"""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import Span, list_spans


class Windows(NamedTuple):
    """The spans that a run reads, ascending.

    Attributes:
        images: at least one.
        sources: those of sources that are not paired with images; empty without such sources.
    """

    images: tuple[Span, ...]
    sources: tuple[Span, ...] = ()


def find_windows(
    folder: str, options: WindowOptions, newest: int | None, sources: str | None = None
) -> Windows:
    """Finds the spans that a run reads.

    Args:
        folder: the data folder, local or a URI.
        options: which folders below it, and below that of the sources, are read.
        newest: number of the last span to read; None for the latest ones.
        sources: folder of sources that are not paired with images, if there are any.

    Raises:
        ImageDataError: as `list_spans` and `choose_windows`.
    """
    images = list_spans(folder, options.pattern)
    whole = tuple(list_spans(sources, options.source_pattern)) if sources else ()
    numbered = whole if has_spans(options.source_pattern) else ()
    chosen = choose_windows(images, numbered, newest, options.window, options.exclude)
    return Windows(chosen.images, chosen.sources or whole)


def choose_windows(
    images: Sequence[Span],
    sources: Sequence[Span],
    newest: int | None,
    window: int,
    exclude: Collection[int],
) -> Windows:
    """Chooses the spans that a run reads.

    Images and sources have the same numbers of spans, which need not exist in both folders.

    Args:
        images: spans as `list_spans` returns them.
        sources: those of sources that are not paired with images; empty if these have no spans.
        newest: number of the last span to read; None for the latest of each folder.
        window: number of spans to read of each folder, counted back from there without excluded
            ones; 0 for all.
        exclude: numbers of the spans to skip.

    Raises:
        ImageDataError: `newest` is missing or excluded, or no span of one of the folders is left.
    """
    if newest is not None and newest in exclude:
        raise ImageDataError(
            f"span {newest} was requested but is excluded: remove it from data.exclude or request "
            "another span"
        )
    numbers = {span.number for span in (*images, *sources)}
    if newest is not None and newest not in numbers:
        raise ImageDataError(
            f"span {newest} was requested but has no folder; the spans range from "
            f"{min(numbers)} to {max(numbers)}"
        )
    return Windows(
        _choose(images, newest, window, exclude, " of images" if sources else ""),
        _choose(sources, newest, window, exclude, " of sources") if sources else (),
    )


def window_text(window: Sequence[Span]) -> str:
    """Returns spans as a property of ImageExampleGen."""
    return json.dumps([[span.number, span.version, span.folder] for span in window])


def parse_window(text: str) -> tuple[Span, ...]:
    """Returns the spans in a property of ImageExampleGen."""
    return tuple(Span(*span) for span in json.loads(text))


def _choose(
    spans: Sequence[Span], newest: int | None, window: int, exclude: Collection[int], of: str
) -> tuple[Span, ...]:
    allowed = [span for span in spans if span.number not in exclude]
    if not allowed:
        raise ImageDataError(f"all spans{of} are excluded: remove one from data.exclude")
    chosen = [span for span in allowed if newest is None or span.number <= newest]
    if not chosen:
        raise ImageDataError(
            f"span {newest} was requested, but the spans{of} begin with {allowed[0].number}"
        )
    return tuple(chosen[-window:])
