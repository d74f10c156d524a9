"""Text in messages: names that come with the data, such as labels, and errors."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

SHOWN = 10  # names
NAME = 80  # characters of a name or a value
# In URLs; what is not one stays as it is.
SECRET_USER = re.compile(r"([a-zA-Z][\w+.-]*://)[^\s/@'\"]*@")
SECRET_QUERY = re.compile(r"([a-zA-Z][\w+.-]*://[^\s?'\"]+)\?[^\s'\"]+")
LINE = 300  # characters


def list_some(names: Sequence[str], shown: int = SHOWN) -> str:
    """Returns the first names and the number of others, in one line whatever they contain."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(printable(shorten(name)) for name in names[:shown]) + more


def quantity(count: int, unit: str) -> str:
    """A count with its unit, which is given in the singular: `1 image`, `1,200 images`."""
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"


def percentage(share: float) -> str:
    """A share between 0 and 1 in whole percent, which is neither 0% nor 100%."""
    text = f"{share:.0%}"
    return {"0%": "under 1%", "100%": "over 99%"}.get(text, text) if 0 < share < 1 else text


def side_by_side(value: float, limit: float, digits: int = 4) -> tuple[str, str]:
    """Both numbers with as many significant digits, at least `digits`, as tell them apart."""
    texts = f"{value:.{digits}g}", f"{limit:.{digits}g}"
    while texts[0] == texts[1] and value != limit and digits < 17:
        digits += 1
        texts = f"{value:.{digits}g}", f"{limit:.{digits}g}"
    return texts


def printable(name: str) -> str:
    """Escapes the control characters of a name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def shorten(text: str, length: int = NAME) -> str:
    """Returns the beginning of a text, with an ellipsis if it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's text, or else its type; at most LINE characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:LINE]


def ending(path: str, parts: int) -> str:
    """Returns the last parts of a path, which tell what it is, and not where."""
    return "/".join(PurePosixPath(path).parts[-parts:])


def without_secrets(text: str) -> str:
    """Returns a text in which URLs have neither passwords nor queries, which may be signatures."""
    return SECRET_QUERY.sub(r"\1?…", SECRET_USER.sub(r"\1…@", text))


def as_json_text(value: object) -> str:
    """What JSON has no type for: times as in ISO 8601, all else as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
