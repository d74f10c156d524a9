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
FILE = "withdrawn-{}.json"  # in the folder of the states of trainings


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
    if key := drawn_by(metadata):
        checkpoints.mkdir(parents=True, exist_ok=True)
        text = json.dumps(withdrawal._asdict())
        write_atomically(checkpoints / FILE.format(key), text.encode())


def recall(checkpoints: AnyPath, metadata: Mapping[str, Any]) -> Withdrawal | None:
    """The withdrawal of a sampler that drew the same images as a model; None if there is none."""
    key = drawn_by(metadata)
    file = checkpoints / FILE.format(key)
    return Withdrawal(**json.loads(file.read_text("utf-8"))) if key and file.exists() else None


def drawn_by(metadata: Mapping[str, Any]) -> str | None:
    """Hashes what decides the images of a model: weights and sampling, but not how many it draws.

    None where the metadata are damaged.
    """
    if not metadata.get("weights"):
        return None
    sample = dict(metadata.get("config", {}).get("sample", {}))
    sample.pop("limits", None)
    parts = [metadata.get(key) for key in ("weights", "nb_step", "solver", "grid")]
    text = json.dumps([*parts, sample], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
