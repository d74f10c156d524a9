"""Which model a new one has to beat: the latest blessed model that is not the new one itself."""

from tfx import types
from tfx.dsl.components.common import resolver

from components.blessings import blessed_models


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
        candidates = {candidate.id for candidate in input_dict["candidate"]}
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        latest = [pair for pair in blessed if pair[0].id not in candidates][-1:]
        return {
            "model": [model for model, _ in latest],
            "blessing": [blessing for _, blessing in latest],
            "candidate": input_dict["candidate"],
        }
