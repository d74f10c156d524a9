"""Resolves the model that a new one must beat."""

from tfx import types
from tfx.dsl.components.common import resolver

from components.resolvers.blessings import blessed_models
from components.resolvers.choice import to_compare_with
from components.sample_evaluator import names as evaluator_names


class LatestBlessedOtherStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model other than the candidate.

    In a run whose Trainer is cached, TFX's LatestBlessedModelStrategy would resolve to the
    candidate itself: every evaluation would be repeated, comparing the model with itself.

    The channels are `model` (all models), `blessing` (all blessings), `candidate` (one model) and
    `evaluation` (all evaluations).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `candidate`.

        Also `evaluation`: the latest one of each blessed model except the candidate, in the order
        of `blessed_models`.
        """
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        others = to_compare_with(blessed, {artifact.id for artifact in input_dict["candidate"]})
        latest = {
            evaluation.get_int_custom_property(evaluator_names.MODEL_ID): evaluation
            for evaluation in sorted(input_dict["evaluation"], key=lambda artifact: artifact.id)
        }
        return {
            "model": [blessed[number].model for number in others[-1:]],
            "blessing": [blessed[number].blessing for number in others[-1:]],
            "candidate": input_dict["candidate"],
            "evaluation": [latest[number] for number in others if number in latest],
        }
