"""Which models were blessed: what every resolver of this project starts from."""

from collections.abc import Sequence

from tfx import types
from tfx.components.evaluator.constants import (
    ARTIFACT_PROPERTY_BLESSED_KEY,
    ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
)

from components.resolvers.withdrawal import is_withdrawn


def blessed_models(
    models: Sequence[types.Artifact], blessings: Sequence[types.Artifact]
) -> list[tuple[types.Artifact, types.Artifact]]:
    """The blessed ones of the models, each with the latest blessing it was given.

    Those that were withdrawn are left out. The order is that of the first blessings, which is the
    models' own, but for one that `iadb promote` has blessed later than others.
    """
    first, latest = {}, {}
    for blessing in sorted(blessings, key=lambda artifact: artifact.id):
        if blessing.get_int_custom_property(ARTIFACT_PROPERTY_BLESSED_KEY) == 1:
            model_id = blessing.get_int_custom_property(ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
            first.setdefault(model_id, blessing.id)
            latest[model_id] = blessing
    blessed = [model for model in models if model.id in latest and not is_withdrawn(model)]
    return [(model, latest[model.id]) for model in sorted(blessed, key=lambda m: first[m.id])]
