"""What new images are compared with: the sample that the latest run on earlier data left."""

from tfx import types
from tfx.dsl.components.common import resolver

from components.drift_gate import names


class LatestVerdictOnEarlierDataStrategy(resolver.ResolverStrategy):
    """Resolves the DriftVerdict of the newest earlier span, or of other examples without spans.

    A run that is repeated so meets the same reference and finds its verdict in the cache, and data
    are never compared with themselves, not even where the same span was read anew. Data that were
    held never become a reference: TFX publishes nothing of a node that failed.

    The channels are `verdict` (all verdicts) and `examples` (the current).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `verdict`, empty where there is none, and `examples`."""
        (examples,) = input_dict["examples"]
        span = examples.get_int_custom_property(names.SPAN)
        earlier = [
            verdict
            for verdict in input_dict[names.VERDICT]
            if verdict.get_int_custom_property(names.EXAMPLES) != examples.id
            and (span == 0 or verdict.get_int_custom_property(names.SPAN) < span)
        ]
        earlier.sort(key=lambda v: (v.get_int_custom_property(names.SPAN), v.id))
        return {names.VERDICT: earlier[-1:], "examples": input_dict["examples"]}
