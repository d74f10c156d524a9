"""Finds the spans of the data, by folders with a number or a date, and chooses those of a run.

Reads only folder names.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePosixPath

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.folders.storage import is_folder, list_folders
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.pattern import (
    MAX_DIGITS,
    PLACEHOLDER,
    folder_expression,
    has_spans,
)
from components.image_example_gen.spans import Span

EPOCH = date(1970, 1, 1)
AHEAD = timedelta(days=366)  # of today: folders may be named after the end of what is in them


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


def list_spans(folder: str, pattern: str) -> list[Span]:
    """Lists the spans of a data folder, local or a URI (s3://, gs://), ascending.

    Folders that do not match the pattern are ignored. Links to folders are followed only for the
    fixed parts of the pattern.

    Args:
        folder: the data folder.
        pattern: path below it, with {SPAN} or {YYYY}, {MM}, {DD}.

    Returns:
        At least one span. Without placeholders it is Span(0, pattern), which may not exist.

    Raises:
        ImageDataError: the pattern is invalid, no folder matches it, two folders have the same
            span, a number is too long, a date is invalid, or a folder cannot be read.
    """
    parts = PurePosixPath(pattern).parts
    if not has_spans(pattern):
        return [Span(0, "/".join(parts))]
    found: dict[int, Span] = {}
    for path, values in _matches(folder.rstrip("/") or "/", "", parts, {}):
        number = _number(folder, path, values)
        span = Span(number, path)
        other = found.setdefault(number, span)
        if other is not span:
            raise ImageDataError(
                f"{folder}: the folders {other.folder!r} and {path!r} are both span {number}; "
                "rename or remove one"
            )
    if not found:
        raise ImageDataError(
            f"{folder}: no folder matches the pattern {pattern!r}; links are not followed"
        )
    return sorted(found.values())


def _matches(
    root: str, below: str, parts: Sequence[str], values: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields matching folders: the path below the root, and the text of each placeholder."""
    if not parts:
        yield below, dict(values)
        return
    part, *rest = parts
    parent = f"{root}/{below}".rstrip("/") or "/"
    if not PLACEHOLDER.search(part):
        if is_folder(f"{parent}/{part}"):
            yield from _matches(root, os.path.join(below, part), rest, values)
        return
    expression = folder_expression(part)
    for name in list_folders(parent):
        if match := expression.fullmatch(name):
            yield from _matches(
                root, os.path.join(below, name), rest, {**values, **match.groupdict()}
            )


def _number(folder: str, path: str, values: Mapping[str, str]) -> int:
    """Parses the texts of the placeholders to the number of the span."""
    if any(len(text) > MAX_DIGITS for text in values.values()):
        raise ImageDataError(
            f"{folder}: the folder {path!r} has a number with more than {MAX_DIGITS} digits; "
            "rename or remove it"
        )
    if "SPAN" in values:
        return int(values["SPAN"])
    try:
        day = date(int(values["YYYY"]), int(values["MM"]), int(values["DD"]))
    except ValueError:
        day = date.min
    if day < EPOCH:
        raise ImageDataError(
            f"{folder}: the folder {path!r} is not a valid date since 1970; rename or remove it"
        )
    if day > datetime.now(timezone.utc).date() + AHEAD:
        raise ImageDataError(
            f"{folder}: the folder {path!r} is a date more than a year from now, before which no "
            "other span would be the newest; rename or remove it"
        )
    return (day - EPOCH).days
