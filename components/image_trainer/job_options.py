"""Options, from the environment of the Trainer's pod, of a training in several other pods.

The runner sets them. They are not an execution property: where a model is trained does not change
the model, so it must not be part of TFX's cache key.
"""

import os
from typing import Any

from pydantic import Field, ValidationError

from trainer.common.options import Options
from trainer.common.validation import explain

VARIABLE = "IADB_TFJOB"  # JobOptions as JSON


class JobOptions(Options):
    """Options of a TFJob."""

    workers: int = Field(ge=2, description="number of pods that share the training")
    template: dict[str, Any] = Field(
        description="Kubernetes PodTemplateSpec of each pod, with one container, whose command is "
        "overwritten"
    )


def read_job_options() -> JobOptions | None:
    """Reads the variable; None if it is unset or empty.

    Raises:
        ValueError: it is malformed; a one-line message.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return JobOptions.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{VARIABLE}: {explain(error.errors()[0])}") from None
