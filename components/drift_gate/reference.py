"""Resolves the sample to compare new images with: that of the latest run on earlier data."""

from tfx import types
from tfx.dsl.components.common import resolver

from components.drift_gate import names


class LatestVerdictOnEarlierDataStrategy(resolver.ResolverStrategy):
    """Resolves the DriftVerdict of the newest earlier spans, or of other examples without spans.

    A repeated run thus has the same reference and a cached verdict, and data are never compared
    with themselves, even if the same spans are read again. Held data never become a reference: TFX
    does not publish the outputs of a failed node.

    A verdict on images that can be compared comes before newer ones of another size or feature
    space, so that a run with these does not let all that was accepted before be forgotten.

    The channels are `verdict` (all verdicts) and `examples` (the current).
    """

    def __init__(self, space: str) -> None:
        """`space`: that of a Sample of the current images."""
        self._space = space

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `verdict`, empty if there is none, and `examples`."""
        (examples,) = input_dict["examples"]
        now = _newest_span(examples)
        earlier = [
            verdict
            for verdict in input_dict[names.VERDICT]
            if verdict.get_int_custom_property(names.EXAMPLES) != examples.id
            and (not now or _newest_span(verdict) < now)
        ]
        # After spans begin or end, those with and without cannot be compared.
        alike = [each for each in earlier if bool(_newest_span(each)) == bool(now)]
        earlier = alike or earlier
        # Without images yet, there is no space.
        comparable = [each for each in earlier if _space(each) in ("", self._space)]
        earlier = sorted(comparable or earlier, key=lambda each: (_newest_span(each), each.id))
        return {names.VERDICT: earlier[-1:], "examples": input_dict["examples"]}


def _space(verdict: types.Artifact) -> str:
    return verdict.get_string_custom_property(names.SPACE)


def _newest_span(artifact: types.Artifact) -> int:
    return artifact.get_int_custom_property(names.SPAN)
