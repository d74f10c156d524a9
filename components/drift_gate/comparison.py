"""By how much new images differ from earlier ones, and what of it is chance.

Two samples of the very same images differ, the more so the smaller they are. How much is measured:
all images of both sides are divided anew at random, and the differences of such divisions tell what
chance makes of two samples of these sizes (a permutation test, by mean and standard deviation).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.drift_gate.feature_distance import feature_distance
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import Sample
from components.drift_gate.scalar_divergence import scalar_divergences

FEATURES = "features"  # name of the difference of the features, beside those of scalars
DIVISIONS = 20  # random ones
DEVIATIONS = 5  # standard deviations above the mean that chance explains


@dataclass(frozen=True)
class Difference:
    """A difference between the new images and the earlier ones.

    Attributes:
        name: one of SCALARS, or FEATURES.
        value: Jensen-Shannon divergence, or squared MMD.
        chance: what random divisions of the same images reach at most.
        limit: chance and what the options let pass; a larger value is drift.
    """

    name: str
    value: float
    chance: float
    limit: float

    @property
    def drifted(self) -> bool:
        """Whether the images differ by more than they may."""
        return self.value > self.limit


def compare(newest: Sample, reference: Sample, options: DriftOptions) -> Iterator[Difference]:
    """Compares two samples of one space.

    Raises:
        MetricError: the features cannot be compared.
    """
    scalars = np.concatenate([newest.scalars, reference.scalars])
    distance = feature_distance(newest.vectors, reference.vectors)

    def differences(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
        divergences = scalar_divergences(scalars[one], scalars[other])
        return {**divergences, FEATURES: distance(one, other)}

    rows = np.arange(len(scalars))
    found = differences(rows[: len(newest)], rows[len(newest) :])
    generator = np.random.RandomState(0)  # NumPy never changes this stream
    orders = [generator.permutation(rows) for _ in range(DIVISIONS)]
    by_chance = [differences(rows[: len(newest)], rows[len(newest) :]) for rows in orders]
    for name, value in found.items():
        values = [division[name] for division in by_chance]
        chance = float(np.mean(values) + DEVIATIONS * np.std(values))
        allowed = options.max_feature_distance if name == FEATURES else options.max_divergence
        yield Difference(name, value, chance, chance + allowed)
