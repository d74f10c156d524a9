"""The mark of a model that was live and must not come back: properties of its Model artifact.

Imports TFX for type checkers alone, so that a look at the models costs a second.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx import types

WITHDRAWN_PROPERTY = "withdrawn"  # the reason; never empty
WITHDRAWN_AT_PROPERTY = "withdrawn_at"  # in ISO format


def is_withdrawn(model: "types.Artifact") -> bool:
    """Whether a Model was taken out of service by `iadb rollback`."""
    return model.has_custom_property(WITHDRAWN_PROPERTY)
