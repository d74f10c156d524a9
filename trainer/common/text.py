"""Text in messages: names that come with the data, such as labels, and errors."""

from collections.abc import Sequence

SHOWN = 10  # names
LINE = 300  # characters


def list_some(names: Sequence[str]) -> str:
    """Returns the first names and the number of others, in one line whatever they contain."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(printable, names[:SHOWN])) + more


def printable(name: str) -> str:
    """Escapes the control characters of a name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's text, or else its type; at most LINE characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:LINE]
