"""Requirements on feature arrays that all metrics share."""

import numpy as np


class MetricError(ValueError):
    """A metric cannot be computed on these features; the message gives the reason."""


def check_features(**arrays: np.ndarray) -> None:
    """Checks that feature arrays [N, d] can be compared; N may differ.

    Args:
        arrays: by name, such as real and generated; errors contain the names.

    Raises:
        MetricError: fewer than 2 rows, no columns, different dimensions, or values that are not
            finite.
    """
    for name, array in arrays.items():
        if array.ndim != 2 or len(array) < 2 or not array.shape[1]:
            raise MetricError(
                f"the {name} features have shape {array.shape}: at least 2 rows [N, d], with d of "
                "at least 1, are needed"
            )
        if not np.isfinite(array).all():
            raise MetricError(f"the {name} features hold NaN or infinite values")
    (first, expected), *others = ((name, array.shape[1]) for name, array in arrays.items())
    for name, dimension in others:
        if dimension != expected:
            raise MetricError(
                f"{first} features have {expected} dimensions, {name} ones {dimension}"
            )
