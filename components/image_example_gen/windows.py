"""Chooses the spans of the data that a run reads: the window.

Imports neither TFX nor TensorFlow for local folders.
"""

import json
from collections.abc import Collection, Sequence

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.spans import Span, list_spans


def find_window(folder: str, options: WindowOptions, newest: int | None) -> tuple[Span, ...]:
    """Finds the spans that a run reads, ascending.

    Args:
        folder: the data folder, local or a URI.
        options: which folders below it are read.
        newest: number of the last span to read; None for the latest ones.

    Raises:
        ImageDataError: as `list_spans` and `choose_window`.
    """
    spans = list_spans(folder, options.pattern)
    return choose_window(spans, newest, options.window, options.exclude)


def choose_window(
    spans: Sequence[Span], newest: int | None, window: int, exclude: Collection[int]
) -> tuple[Span, ...]:
    """Chooses the spans that a run reads, ascending.

    Args:
        spans: as `list_spans` returns them.
        newest: number of the last span to read; None for the latest.
        window: number of spans to read, counted back from there without excluded ones; 0 for all.
        exclude: numbers of the spans to skip.

    Raises:
        ImageDataError: `newest` is missing or excluded, or no span is left.
    """
    if newest is not None and newest in exclude:
        raise ImageDataError(
            f"span {newest} was requested but is excluded: remove it from data.exclude or request "
            "another span"
        )
    numbers = {span.number for span in spans}
    if newest is not None and newest not in numbers:
        raise ImageDataError(
            f"span {newest} was requested but has no folder; the spans range from "
            f"{min(numbers)} to {max(numbers)}"
        )
    chosen = [
        span
        for span in spans
        if span.number not in exclude and (newest is None or span.number <= newest)
    ]
    if not chosen:
        raise ImageDataError("all spans are excluded: remove one from data.exclude")
    return tuple(chosen[-window:])


def window_text(window: Sequence[Span]) -> str:
    """Returns spans as a property of ImageExampleGen."""
    return json.dumps([[span.number, span.folder] for span in window])


def parse_window(text: str) -> tuple[Span, ...]:
    """Returns the spans in a property of ImageExampleGen."""
    return tuple(Span(*span) for span in json.loads(text))
