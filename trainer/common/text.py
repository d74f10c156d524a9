"""Text in messages: the names that come with the data, such as labels, and errors."""

from collections.abc import Sequence

SHOWN = 10  # names
LINE = 300  # characters


def list_some(names: Sequence[str]) -> str:
    """The first names, on one line whatever they hold, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(printable, names[:SHOWN])) + more


def printable(name: str) -> str:
    """The name with control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type if it has none; at most LINE characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:LINE]
