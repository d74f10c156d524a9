"""Parameters of a run: values that may be given as it starts, in place of the configuration's."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from trainer.common import exit_codes
from trainer.options import Options

OptionsT = TypeVar("OptionsT", bound=Options)


class ParameterError(ValueError):
    """A parameter of a run has a value that cannot be used; the message is one line."""

    exit_code = exit_codes.USAGE


def complete(
    options: type[OptionsT], values: Mapping[str, Any], **parameter: int | str
) -> OptionsT:
    """Makes options of the configuration's values and of a parameter of the run.

    Args:
        options: their class.
        values: all that the configuration says; what it says about the parameter is replaced.
        parameter: one option, by its name.

    Raises:
        ParameterError: the parameter is out of its range, or does not agree with the other options.
    """
    try:
        return options.model_validate({**values, **parameter})
    except ValidationError as error:
        ((name, value),) = parameter.items()
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ParameterError(f"{name}: got {value!r}; {reason[:1].lower()}{reason[1:]}") from None
