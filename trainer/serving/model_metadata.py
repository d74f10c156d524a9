"""Reads the metadata beside a SavedModel, assets.extra/iadb.json, for those who use the model."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from trainer.common.text import first_line
from trainer.common.validation import explain
from trainer.limit_options import LimitOptions
from trainer.source.options import Source

Side = Annotated[int, Field(strict=True, ge=1)]


class MetadataError(ValueError):
    """The metadata of a model are damaged; the message is the reason, in one line."""


class ModelMetadata(BaseModel):
    """The fields that readers rely on, to be validated. The defaults only make a field optional."""

    nb_step: int = Field(1, strict=True, ge=1, lt=2**31)
    shape: tuple[Side, Side, Side] = (1, 1, 1)
    labels: list[str] = []
    fixed_steps: bool = Field(False, strict=True)
    limits: LimitOptions = LimitOptions()
    source: Source | None = None
    weights: str | None = None
    teacher: str | None = None
    warm_started_from: str | None = None
    config: dict[str, dict[str, Any]] = {}
    split: dict[str, Any] | None = None


def parse(content: str, *needed: str) -> dict[str, Any]:
    """Returns metadata whose known fields are what they should be.

    Args:
        content: of the file.
        needed: the fields without which the caller cannot use the model.

    Raises:
        MetadataError: the content is no JSON object, a field is of another kind, or one that is
            needed is missing.
    """
    try:
        about = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MetadataError(first_line(error)) from error
    if not isinstance(about, dict):
        raise MetadataError("not an object")
    try:
        ModelMetadata.model_validate(about)
    except ValidationError as error:
        raise MetadataError(explain(error.errors()[0])) from error
    if missing := [name for name in needed if name not in about]:
        raise MetadataError(f"{missing[0]}: missing")
    return about
