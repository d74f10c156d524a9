"""The metadata beside a SavedModel, assets.extra/iadb.json, for those who use the model."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.common.remote_path import AnyPath
from trainer.common.text import first_line
from trainer.common.validation import explain
from trainer.names import METADATA
from trainer.ode.choice import Choice
from trainer.ode.options import LimitOptions, SampleOptions
from trainer.source.options import Source

Side = Annotated[int, Field(strict=True, ge=1)]


class MetadataError(ValueError):
    """The metadata of a model are damaged; the message is the reason, in one line."""


class ModelMetadata(BaseModel):
    """The fields that readers rely on. A default only stands for a field that nobody needs here.

    Attributes:
        recorded: all that the file has, as it is.
    """

    model_config = ConfigDict(frozen=True)

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
    recorded: dict[str, Any] = {}

    @property
    def choice(self) -> Choice:
        """How the exported graph solves the ODE.

        Raises:
            MetadataError: that is not recorded, or damaged.
        """
        try:
            sample = SampleOptions.model_validate(self.config["sample"])
        except KeyError:
            raise MetadataError("config.sample: missing") from None
        except ValidationError as error:
            raise MetadataError(explain(error.errors()[0])) from error
        return Choice(sample.solver, sample.guidance, sample.grid)


def read(folder: AnyPath, *needed: str) -> ModelMetadata:
    """Reads the metadata beside the SavedModel in a folder.

    Args:
        folder: of the SavedModel.
        needed: as of `parse`.

    Raises:
        MetadataError: as of `parse`, or they are not UTF-8.
        OSError: they cannot be read; FileNotFoundError: there are none.
    """
    try:
        content = (folder / METADATA).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MetadataError(first_line(error)) from error
    return parse(content, *needed)


def parse(content: str, *needed: str) -> ModelMetadata:
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
        known = ModelMetadata.model_validate(about)
    except ValidationError as error:
        raise MetadataError(explain(error.errors()[0])) from error
    if missing := [name for name in needed if name not in about]:
        raise MetadataError(f"{missing[0]}: missing")
    return known.model_copy(update={"recorded": about})
