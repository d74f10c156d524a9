"""Which model a new one has to beat: the latest blessed model that is not the new one itself."""

from tfx import types
from tfx.components.evaluator.constants import (
    ARTIFACT_PROPERTY_BLESSED_KEY,
    ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
)
from tfx.dsl.components.common import resolver


class LatestBlessedOtherStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model other than the candidate.

    TFX's LatestBlessedModelStrategy would, in a run where the Trainer is cached, resolve to the
    candidate itself: every evaluation would then be repeated, against the very same model.

    The channels are `model` (all models), `blessing` (all blessings) and `candidate` (one model).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `candidate`."""
        candidates = input_dict["candidate"]
        blessings = {
            blessing.get_int_custom_property(ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
            for blessing in sorted(input_dict["blessing"], key=lambda artifact: artifact.id)
            if blessing.get_int_custom_property(ARTIFACT_PROPERTY_BLESSED_KEY) == 1
        }
        for candidate in candidates:
            blessings.pop(candidate.id, None)
        models = [model for model in input_dict["model"] if model.id in blessings]
        latest = sorted(models, key=lambda artifact: artifact.id)[-1:]
        return {
            "model": latest,
            "blessing": [blessings[model.id] for model in latest],
            "candidate": candidates,
        }
