"""What TFMA wrote about an evaluation, by source and metric.

TFMA knows one number or text by one name. What belongs to a metric beside its value passes through
TFMA under the metric's name and a suffix; the names are written and read by this module alone.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from components.metrics import CATALOG, HOLDOUT_METRICS, HOLDOUT_PAIR_METRICS, PAIR_METRICS

MEMORIZED_SHARE = "memorized_share"
DISTANCE_RATIO = "distance_ratio"
MIRRORED_SHARE = "mirrored_share"
COUNTS = ("images", "flat_images", "distinct_images", "equal_images")
_METRICS = (
    *(*CATALOG, *HOLDOUT_METRICS, *PAIR_METRICS, *HOLDOUT_PAIR_METRICS),
    *(MEMORIZED_SHARE, DISTANCE_RATIO, MIRRORED_SHARE),
)


def tfma_name(metric: str, field: str) -> str:
    """TFMA's name for a field of a metric's MetricResult, except for the value."""
    return f"{metric}_{field}"


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
        metrics: by name, those that TFMA wrote anything about.
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
_Found = dict[str, float | str]  # by TFMA's name


def load_results(output: str, sources: Iterable[str]) -> dict[str, SourceResult]:
    """Reads the results of sources from a folder that `analysis.Analyze` wrote."""
    found: dict[str, dict[str | None, _Found]] = {source: {} for source in sources}
    for record in tfma.load_metrics(output):
        [label] = [key.bytes_value.decode() for key in record.slice_key.single_slice_keys] or [None]
        for pair in record.metric_keys_and_values:
            if not pair.key.is_diff:  # TFMA adds each number's difference from the baseline's
                values = found[pair.key.model_name].setdefault(label, {})
                values[pair.key.name] = _value(pair.value)
    return {source: _source_result(labels) for source, labels in found.items()}


def _value(value: metrics_for_slice_pb2.MetricValue) -> float | str:
    if value.WhichOneof("type") == "bytes_value":
        return value.bytes_value.decode()
    return value.double_value.value


def _source_result(found: Mapping[str | None, _Found]) -> SourceResult:
    labels = sorted(label for label in found if label is not None)
    return dataclasses.replace(
        parse(found.get(None, {})), classes={label: parse(found[label]) for label in labels}
    )


def parse(found: _Found) -> SourceResult:
    """The result of one source, from numbers and texts by TFMA's names."""
    found = {k: v for k, v in found.items() if isinstance(v, str) or math.isfinite(v)}
    others = [field.name for field in dataclasses.fields(MetricResult)[1:]]
    metrics = {
        metric: MetricResult(
            found.get(metric), **{name: found.get(tfma_name(metric, name)) for name in others}
        )
        for metric in _METRICS
    }
    return SourceResult(
        **{name: int(found.get(name, 0)) for name in COUNTS},
        metrics={name: result for name, result in metrics.items() if result != MetricResult()},
    )
