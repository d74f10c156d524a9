"""How a withdrawn model is marked: properties of its Model artifact.

A training that has ended is there to be exported again, as another artifact. So what drew the
images is remembered beside the states of trainings, too.

Imports TFX for type checkers only, so that listing models takes a second.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.common.remote_path import AnyPath, write_atomically

if TYPE_CHECKING:
    from tfx import types

WITHDRAWN_PROPERTY = "withdrawn"  # the reason; never empty
WITHDRAWN_AT_PROPERTY = "withdrawn_at"  # in ISO format


class Withdrawal(NamedTuple):
    """Why a model was withdrawn, and when, in ISO format."""

    reason: str
    at: str


def is_withdrawn(model: "types.Artifact") -> bool:
    """Whether `iadb rollback` withdrew a Model."""
    return model.has_custom_property(WITHDRAWN_PROPERTY)


def remember(checkpoints: AnyPath, metadata: Mapping[str, Any], withdrawal: Withdrawal) -> None:
    """Remembers that a sampler was withdrawn.

    Args:
        checkpoints: the folder of the states of trainings.
        metadata: of a model, which later ones that draw the same images share.
        withdrawal: why and when.
    """
    if metadata.get("weights"):
        checkpoints.mkdir(parents=True, exist_ok=True)
        file = _file(checkpoints, metadata)
        write_atomically(file, json.dumps(withdrawal._asdict()).encode())


def recall(checkpoints: AnyPath, metadata: Mapping[str, Any]) -> Withdrawal | None:
    """The withdrawal of a sampler that drew the same images as a model; None if there is none."""
    if not metadata.get("weights"):  # an earlier version wrote it
        return None
    file = _file(checkpoints, metadata)
    return Withdrawal(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def _file(checkpoints: AnyPath, metadata: Mapping[str, Any]) -> AnyPath:
    """Named by what decides the images: weights and sampling, but not how many may be drawn."""
    sample = dict(metadata.get("config", {}).get("sample", {}))
    sample.pop("limits", None)
    drawn_by = [metadata.get(key) for key in ("weights", "nb_step", "solver", "grid")]
    text = json.dumps([*drawn_by, sample], sort_keys=True)
    return checkpoints / f"withdrawn-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
