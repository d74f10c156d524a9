"""Errors of pydantic, in one line."""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from trainer.common.text import shorten

REASON = 1000  # characters


def explain(error: ErrorDetails) -> str:
    """One of `ValidationError.errors()`: the key, the value and the reason."""
    key, reason = shorten(".".join(map(str, error["loc"]))), explain_reason(error)
    if not isinstance(error["input"], Mapping | BaseModel):  # else a rule about several keys
        reason = f"got {shorten(repr(error['input']))}; {reason}"
    return f"{key}: {reason}" if key else reason


def explain_reason(error: ErrorDetails) -> str:
    """The reason alone."""
    reason = shorten(error["msg"].removeprefix("Value error, "), REASON)
    # A name in capitals, such as that of a variable, keeps them.
    return reason if reason[:2].isupper() else f"{reason[:1].lower()}{reason[1:]}"
