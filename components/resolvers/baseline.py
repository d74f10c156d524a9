"""Which model a new one has to beat: the latest blessed model that is not the new one itself."""

from tfx import types
from tfx.components.evaluator.constants import ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
from tfx.dsl.components.common import resolver

from components.resolvers.blessings import blessed_models


class LatestBlessedOtherStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model other than the candidate.

    TFX's LatestBlessedModelStrategy would, in a run where the Trainer is cached, resolve to the
    candidate itself: every evaluation would then be repeated, against the very same model.

    The channels are `model` (all models), `blessing` (all blessings), `candidate` (one model) and
    `evaluation` (all evaluations).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `candidate`.

        Also `evaluation`: the latest one of each blessed model but the candidate, in the order
        of `blessed_models`.
        """
        candidates = {candidate.id for candidate in input_dict["candidate"]}
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        others = [pair for pair in blessed if pair[0].id not in candidates]
        by_model_id = {
            evaluation.get_int_custom_property(ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): evaluation
            for evaluation in sorted(input_dict["evaluation"], key=lambda artifact: artifact.id)
        }
        return {
            "model": [model for model, _ in others[-1:]],
            "blessing": [blessing for _, blessing in others[-1:]],
            "candidate": input_dict["candidate"],
            "evaluation": [by_model_id[m.id] for m, _ in others if m.id in by_model_id],
        }
