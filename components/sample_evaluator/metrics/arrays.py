"""What every metric asks of the feature arrays it is given."""

import numpy as np


class MetricError(ValueError):
    """A metric that cannot be computed on these features; the message says why."""


def check_features(real: np.ndarray, generated: np.ndarray) -> None:
    """Checks two feature arrays, [N, d] and [M, d].

    Raises:
        MetricError: fewer than 2 rows, different dimensions, or values that are not finite.
    """
    for name, array in (("real", real), ("generated", generated)):
        if array.ndim != 2 or len(array) < 2:
            raise MetricError(
                f"the {name} features have shape {array.shape}: at least 2 rows [N, d] are needed"
            )
        if not np.isfinite(array).all():
            raise MetricError(f"the {name} features hold NaN or infinite values")
    if real.shape[1] != generated.shape[1]:
        raise MetricError(
            f"real features have {real.shape[1]} dimensions, generated ones {generated.shape[1]}"
        )
