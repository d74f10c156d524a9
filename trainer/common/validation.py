"""Errors of pydantic, in one line."""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from trainer.common.text import shorten

REASON = 1000  # characters
_KEYS_BELOW = "expected keys below it"
# By type of error, where pydantic's words are those of Python.
_REASONS = {
    "tuple_type": "expected a list: [..., ...]",
    "dict_type": _KEYS_BELOW,
    "mapping_type": _KEYS_BELOW,
    "model_type": _KEYS_BELOW,
    "invalid_key": "keys must be text: correct it, or put it in quotes",
}


def explain(error: ErrorDetails) -> str:
    """One of `ValidationError.errors()`: the key, the value and the reason."""
    location, got, reason = error["loc"], "got", explain_reason(error)
    if error["type"] == "invalid_key":  # the last of its location is 1 for true
        location, got = location[:-1], "got the key"
    key = shorten(".".join(map(str, location)))
    if not isinstance(error["input"], Mapping | BaseModel):  # else a rule about several keys
        reason = f"{got} {shorten(repr(error['input']))}; {reason}"
    return f"{key}: {reason}" if key else reason


def explain_reason(error: ErrorDetails) -> str:
    """The reason alone."""
    if error["type"] in _REASONS:
        return _REASONS[error["type"]]
    reason = shorten(error["msg"].removeprefix("Value error, "), REASON)
    # A name in capitals, such as that of a variable, keeps them.
    return reason if reason[:2].isupper() else f"{reason[:1].lower()}{reason[1:]}"
