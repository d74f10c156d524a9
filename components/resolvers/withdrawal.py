"""How a withdrawn model is marked: properties of its Model artifact.

Imports TFX for type checkers only, so that listing models takes a second.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx import types

WITHDRAWN_PROPERTY = "withdrawn"  # the reason; never empty
WITHDRAWN_AT_PROPERTY = "withdrawn_at"  # in ISO format


def is_withdrawn(model: "types.Artifact") -> bool:
    """Whether `iadb rollback` withdrew a Model."""
    return model.has_custom_property(WITHDRAWN_PROPERTY)
