"""Places on the way from the value that training images have, at 0, to that of noise, at 1."""

import math

from components.metrics import AT_HOLDOUT

# Between floor and noise, at least, in the unit of the metric. The mean image of noise is gray, and
# so is nearly that of photographs: a hardly visible difference would be a large part of the way.
LEAST_SPANS = {"layout_distance": 60.0}


def widen(metric: str, span: float) -> float:
    """The signed span from floor to noise, widened to the least that the metric requires."""
    least = LEAST_SPANS.get(metric.removesuffix(AT_HOLDOUT), 0.0)
    return math.copysign(max(abs(span), least), span)
