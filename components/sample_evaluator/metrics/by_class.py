"""A metric class by class."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from components.sample_evaluator.metrics.arrays import MetricError

MIN_ROWS = 20  # of a class, on either side: below, chance outweighs quality in any metric


class ClassValue(NamedTuple):
    """A metric of one class.

    Attributes:
        real: rows of the real features.
        generated: rows of the generated features.
        value: None where there is none.
        reason: why there is no value, in words; else None.
    """

    real: int
    generated: int
    value: float | None
    reason: str | None


def by_class(
    function: Callable[[np.ndarray, np.ndarray], float],
    real: np.ndarray,
    real_labels: Sequence[str],
    generated: np.ndarray,
    generated_labels: Sequence[str],
    min_rows: int = MIN_ROWS,
) -> dict[str, ClassValue]:
    """Compares the rows of each label with those of the same label.

    Args:
        function: of real features [n, d] and generated ones [m, d], as in `CATALOG`.
        real: float [N, d].
        real_labels: N of them.
        generated: float [M, d].
        generated_labels: M of them.
        min_rows: of a class on either side; with fewer it gets no value.

    Returns:
        By label, in sorted order; of every label that either side knows.

    Raises:
        MetricError: there are not as many labels as rows.
    """
    for name, array, labels in (
        ("real", real, real_labels),
        ("generated", generated, generated_labels),
    ):
        if len(array) != len(labels):
            raise MetricError(f"{len(array)} {name} images have {len(labels)} labels")
    # As objects: NumPy's own strings drop trailing zeros, and so confuse labels.
    real_labels = np.asarray(real_labels, dtype=object)
    generated_labels = np.asarray(generated_labels, dtype=object)
    return {
        label: _compare(
            function, real[real_labels == label], generated[generated_labels == label], min_rows
        )
        for label in sorted({*real_labels.tolist(), *generated_labels.tolist()})
    }


def _compare(
    function: Callable[[np.ndarray, np.ndarray], float],
    real: np.ndarray,
    generated: np.ndarray,
    min_rows: int,
) -> ClassValue:
    value, reason = None, None
    if min(len(real), len(generated)) < min_rows:
        reason = (
            f"{len(real)} real and {len(generated)} generated images: "
            f"at least {min_rows} of each are needed"
        )
    else:
        try:
            value = function(real, generated)
        except MetricError as error:
            reason = str(error)
    return ClassValue(len(real), len(generated), value, reason)
