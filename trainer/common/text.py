"""Names that come with the data, such as labels, as they are told to a person."""

from collections.abc import Sequence

TOLD = 10  # names


def list_some(names: Sequence[str]) -> str:
    """The first names, on one line whatever they hold, and how many more there are."""
    more = f" and {len(names) - TOLD:,} more" if len(names) > TOLD else ""
    return ", ".join(map(printable, names[:TOLD])) + more


def printable(name: str) -> str:
    """The name with control characters shown, and not done."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
