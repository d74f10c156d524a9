"""Parameters of a run: values given at its start that replace those of the configuration."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from trainer.common import exit_codes
from trainer.common.options import Options
from trainer.common.text import shorten
from trainer.common.validation import explain_reason

OptionsT = TypeVar("OptionsT", bound=Options)


class ParameterError(ValueError):
    """An invalid value of a parameter of a run; the message is one line."""

    exit_code = exit_codes.USAGE


def complete(
    options: type[OptionsT], values: Mapping[str, Any], **parameter: int | str
) -> OptionsT:
    """Builds options from the configuration's values and a parameter of the run.

    Args:
        options: their class.
        values: all values of the configuration; the parameter replaces its own.
        parameter: one option, by its name.

    Raises:
        ParameterError: the parameter is out of range, or contradicts other options.
    """
    try:
        return options.model_validate({**values, **parameter})
    except ValidationError as error:
        ((name, value),) = parameter.items()
        reason = explain_reason(error.errors()[0])
        raise ParameterError(f"{name}: got {shorten(repr(value))}; {reason}") from None
