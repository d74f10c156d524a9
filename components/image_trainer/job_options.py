"""What the Trainer's pod is told by its environment: to train in pods of their own, and in which.

It is the runner's to say, and no execution property: where a model is trained does not change it,
and so is no part of TFX's cache key.
"""

import os
from typing import Any

from pydantic import Field, ValidationError

from trainer.common.validation import explain
from trainer.options import Options

VARIABLE = "IADB_TFJOB"  # JobOptions as JSON


class JobOptions(Options):
    """A TFJob."""

    workers: int = Field(ge=2, description="pods that share the training")
    template: dict[str, Any] = Field(
        description="PodTemplateSpec of each, as Kubernetes has it, with one container, which is "
        "given its command"
    )


def read_job_options() -> JobOptions | None:
    """Reads the variable; None where it is not set, or empty.

    Raises:
        ValueError: it is malformed; in one line.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return JobOptions.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{VARIABLE}: {explain(error.errors()[0])}") from None
