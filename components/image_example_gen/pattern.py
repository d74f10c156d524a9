"""The pattern of folder names that sets the spans of the data apart."""

import re
from pathlib import PurePosixPath

from components.image_example_gen.errors import ImageDataError
from trainer.common.text import shorten

LATEST = "latest"  # in place of the number of a span
MAX_DIGITS = 9  # in the number of a span
PLACEHOLDER = re.compile(r"\{(SPAN|YYYY|MM|DD)\}")
_DATE = {"YYYY", "MM", "DD"}
_ALLOWED = "{SPAN} and {YYYY}, {MM}, {DD}"


def has_spans(pattern: str) -> bool:
    """Whether a pattern of folders has a placeholder for the span.

    Raises:
        ImageDataError: the pattern is not a relative path with known placeholders.
    """
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or re.search(r"[*?\[\0]", pattern):
        raise ImageDataError(
            "expected a path below the data folder; it may contain "
            f"{_ALLOWED}, but neither .. nor wildcards"
        )
    if "{" in (rest := PLACEHOLDER.sub("", pattern)) or "}" in rest:
        raise ImageDataError(f"the placeholders are {_ALLOWED}")
    names = PLACEHOLDER.findall(pattern)
    dated = not _DATE.isdisjoint(names)
    if len(set(names)) < len(names):
        raise ImageDataError("each placeholder may occur only once")
    if dated and not _DATE.issubset(names):
        raise ImageDataError("a date needs all of {YYYY}, {MM}, {DD}")
    if dated and "SPAN" in names:
        raise ImageDataError("{SPAN} and a date are mutually exclusive")
    return bool(names)


def parse_span(text: str, pattern: str) -> int | None:
    """Returns the number of the requested span; None for the latest.

    Args:
        text: the number, or LATEST.
        pattern: of the folders.

    Raises:
        ImageDataError: the text is neither, or the pattern separates no spans.
    """
    if text == LATEST:
        return None
    if not re.fullmatch(f"[0-9]{{1,{MAX_DIGITS}}}", text):
        raise ImageDataError(
            f"span {shorten(repr(text))}: expected a number of at most {MAX_DIGITS} digits, or "
            f"{LATEST}"
        )
    if not has_spans(pattern):
        raise ImageDataError(
            f"span {int(text)} was requested, but the pattern {pattern!r} has no {{SPAN}} and no "
            "date"
        )
    return int(text)


def folder_expression(part: str) -> re.Pattern[str]:
    """Compiles one part of a pattern; placeholders match digits, all else itself."""
    expression, end = "", 0
    for match in PLACEHOLDER.finditer(part):
        times = "+" if match[1] == "SPAN" else f"{{{len(match[1])}}}"
        expression += f"{re.escape(part[end : match.start()])}(?P<{match[1]}>[0-9]{times})"
        end = match.end()
    return re.compile(expression + re.escape(part[end:]))
