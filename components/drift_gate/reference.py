"""Resolves the sample to compare new images with: that of the latest run on earlier data."""

from tfx import types
from tfx.dsl.components.common import resolver

from components.drift_gate import names


class LatestVerdictOnEarlierDataStrategy(resolver.ResolverStrategy):
    """Resolves the DriftVerdict of the newest earlier span, or of other examples without spans.

    A repeated run thus has the same reference and a cached verdict, and data are never compared
    with themselves, even if the same span is read again. Held data never become a reference: TFX
    does not publish the outputs of a failed node.

    The channels are `verdict` (all verdicts) and `examples` (the current).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `verdict`, empty if there is none, and `examples`."""
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
