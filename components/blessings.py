"""Which models were blessed: what every resolver of this project starts from."""

from collections.abc import Sequence

from tfx import types
from tfx.components.evaluator.constants import (
    ARTIFACT_PROPERTY_BLESSED_KEY,
    ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
)


def blessed_models(
    models: Sequence[types.Artifact], blessings: Sequence[types.Artifact]
) -> list[tuple[types.Artifact, types.Artifact]]:
    """The blessed ones of the models, oldest first, each with the latest blessing it was given."""
    by_model_id = {
        blessing.get_int_custom_property(ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
        for blessing in sorted(blessings, key=lambda artifact: artifact.id)
        if blessing.get_int_custom_property(ARTIFACT_PROPERTY_BLESSED_KEY) == 1
    }
    return [
        (model, by_model_id[model.id])
        for model in sorted(models, key=lambda artifact: artifact.id)
        if model.id in by_model_id
    ]
