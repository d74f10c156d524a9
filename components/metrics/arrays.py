"""What every metric asks of the feature arrays it is given."""

import numpy as np


class MetricError(ValueError):
    """A metric that cannot be computed on these features; the message says why."""


def check_features(**arrays: np.ndarray) -> None:
    """Checks feature arrays that are to be compared, each [N, d] with an N of its own.

    Args:
        arrays: by the name that an error calls them, such as real and generated.

    Raises:
        MetricError: fewer than 2 rows, different dimensions, or values that are not finite.
    """
    for name, array in arrays.items():
        if array.ndim != 2 or len(array) < 2:
            raise MetricError(
                f"the {name} features have shape {array.shape}: at least 2 rows [N, d] are needed"
            )
        if not np.isfinite(array).all():
            raise MetricError(f"the {name} features hold NaN or infinite values")
    (first, expected), *others = ((name, array.shape[1]) for name, array in arrays.items())
    for name, dimension in others:
        if dimension != expected:
            raise MetricError(
                f"{first} features have {expected} dimensions, {name} ones {dimension}"
            )
