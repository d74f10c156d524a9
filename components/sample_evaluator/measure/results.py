"""What was measured, by source and metric."""

import dataclasses
from collections.abc import Mapping

MEMORIZED_SHARE = "memorized_share"
DISTANCE_RATIO = "distance_ratio"
MIRRORED_SHARE = "mirrored_share"


@dataclasses.dataclass(frozen=True)
class MetricResult:
    """One metric of one source. Numbers are finite, and None where there is none.

    Attributes:
        value: of the metric.
        unavailable: why it could not be computed.
        stddev: standard deviation of estimates from random subsets of at most half of the images,
            which vary more than the value; of KID alone.
        worsening: by how much the value is worse than the baseline's, beyond `margin`.
        margin: how much of a difference from the baseline seeds alone explain.
        worsening_unavailable: why the worsening could not be computed.
        proven_place: the place of the value on the way from the floor, which training images reach,
            at 0, to noise, at 1, that its error leaves beyond doubt: less `place_margin`.
        place_margin: how far the choice of images alone may move the place.
        proven_place_unavailable: why there is no place.
    """

    value: float | None = None
    unavailable: str | None = None
    stddev: float | None = None
    worsening: float | None = None
    margin: float | None = None
    worsening_unavailable: str | None = None
    proven_place: float | None = None
    place_margin: float | None = None
    proven_place_unavailable: str | None = None

    @property
    def place(self) -> float | None:
        """The place between floor and noise; may be negative."""
        return None if self.proven_place is None else self.proven_place + self.place_margin


@dataclasses.dataclass(frozen=True)
class SourceResult:
    """What was measured of the images of one source, or of those with one label.

    Attributes:
        images: number of images.
        flat_images: images of a single color.
        distinct_images: different images.
        equal_images: images whose pixels are those of a held-out image.
        metrics: by name, those of which anything is known.
        classes: by label, sorted; empty unless the metrics were computed by label.
    """

    images: int = 0
    flat_images: int = 0
    distinct_images: int = 0
    equal_images: int = 0
    metrics: Mapping[str, MetricResult] = dataclasses.field(default_factory=dict)
    classes: Mapping[str, "SourceResult"] = dataclasses.field(default_factory=dict)

    def __getitem__(self, metric: str) -> MetricResult:
        return self.metrics.get(metric, MetricResult())


Results = Mapping[str, SourceResult]  # by source
