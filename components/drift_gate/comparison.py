"""How much new images differ from earlier ones, and how much of it is chance.

Even two samples of the same images differ, and more so the smaller they are. A permutation test
measures how much: the images of both sides are divided at random, and the mean and the standard
deviation of the differences show what chance causes in samples of these sizes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.drift_gate.feature_distance import feature_distance
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import Sample
from components.drift_gate.scalar_divergence import scalar_divergences

FEATURES = "features"  # the name of the difference in features, beside SCALARS
DIVISIONS = 20  # at random
DEVIATIONS = 5  # standard deviations above the mean that count as chance


@dataclass(frozen=True)
class Difference:
    """A difference between new images and earlier ones.

    Attributes:
        name: one of SCALARS, or FEATURES.
        value: Jensen-Shannon divergence, or squared MMD.
        chance: the largest value that chance explains.
        limit: chance plus the allowance of the options; a larger value is drift.
    """

    name: str
    value: float
    chance: float
    limit: float

    @property
    def drifted(self) -> bool:
        """Whether the value exceeds the limit."""
        return self.value > self.limit


def compare(newest: Sample, reference: Sample, options: DriftOptions) -> Iterator[Difference]:
    """Compares two samples of the same space.

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
    generator = np.random.RandomState(0)  # its stream is frozen
    orders = [generator.permutation(rows) for _ in range(DIVISIONS)]
    by_chance = [differences(rows[: len(newest)], rows[len(newest) :]) for rows in orders]
    for name, value in found.items():
        values = [division[name] for division in by_chance]
        chance = float(np.mean(values) + DEVIATIONS * np.std(values))
        allowed = options.max_feature_distance if name == FEATURES else options.max_divergence
        yield Difference(name, value, chance, chance + allowed)
