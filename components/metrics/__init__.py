"""The metrics of sample quality: this table, and the pure functions of arrays that it names.

The table itself imports no arrays, so that options and reports read it quickly.
"""

import dataclasses
import math
import pkgutil
from collections.abc import Callable, Mapping
from typing import Literal

AT_HOLDOUT = "@holdout"  # suffix of metrics that compare with the images of data.holdout
GROUPS = 10  # of images, in the jackknife: every tenth one, so that sizes differ by at most one
MIN_IMAGES = 2 * GROUPS  # held-out ones, for any verdict
ROWS_PER_DIMENSION = 2  # with fewer images, covariances are too uncertain to be compared
MAX_DIMENSION = 4096  # of a feature space with covariances, which take 128 MiB then


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A way to compare generated images with real ones.

    Attributes:
        title: a few words.
        measures: what a person learns from it, in a sentence.
        computed_by: dotted name of a function of an array of real images [N, d] and one of
            generated ones [M, d], which raises MetricError.
        larger_is_better: true of precision, for example; false of distances.
        array: which array: features, one of ImageStatistics, or of the scores of pairs.
        paired: whether it compares results with the images that they should be, one by one; only a
            model that translates has such. Training images and noise are no results, so that there
            is no place between the two.
        at_holdout: whether images of data.holdout are compared with as well.
        limits: fields of the Threshold that applies without settings: `make gate` measures what
            these detect and refuse wrongly (benchmarks/notes/evaluation.md).
        rows_per_dimension: images that it needs per dimension of the feature space, which has
            MAX_DIMENSION at most; 0 if it works in any.
        of_any_number: whether its expected value does not depend on the number of images.
        least_span: between floor and noise, at least, in its own unit.
    """

    title: str
    measures: str
    computed_by: str
    larger_is_better: bool = False
    array: Literal[
        "vector", "spectrum", "colors", "layout", "psnr", "ssim", "feature_distance", "consistency"
    ] = "vector"
    paired: bool = False
    at_holdout: bool = False
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rows_per_dimension: int = 0
    of_any_number: bool = False
    least_span: float = 0.0

    @property
    def function(self) -> Callable[..., float]:
        """The function that `computed_by` names."""
        return pkgutil.resolve_name(self.computed_by)

    def widen(self, span: float) -> float:
        """The signed span from floor to noise, widened to the least that is required."""
        return math.copysign(max(abs(span), self.least_span), span)

    def images_needed(self, dimension: int | None) -> int | None:
        """How many held-out images the value and its error need.

        Args:
            dimension: of the feature space; None if it is not known, and then it is not considered.

        Returns:
            A number of images; None if the space has too many dimensions for any number.
        """
        if not self.rows_per_dimension or dimension is None:
            return MIN_IMAGES
        if dimension > MAX_DIMENSION:
            return None
        without_a_group = self.rows_per_dimension * dimension
        return max(math.ceil(without_a_group * GROUPS / (GROUPS - 1)), MIN_IMAGES)


METRICS = {
    "kid": Metric(
        title="Likeness of all samples",
        measures="Whether the samples as a whole have the features of the held-out images; the "
        "most careful of the distances with few images.",
        computed_by="components.metrics.kid.kid",
        at_holdout=True,
        limits={"max_place": 0.15, "max_worsening": 0.0},
        of_any_number=True,  # Binkowski et al. 2018
    ),
    "frechet_distance": Metric(
        title="Mean and variety",
        measures="Whether the features have the same means, and vary together as much, as in the "
        "held-out images; blur, grain and missing variety all raise it.",
        computed_by="components.metrics.frechet_distance.frechet_distance",
        at_holdout=True,
        limits={"max_place": 0.15, "max_worsening": 0.0},
        rows_per_dimension=ROWS_PER_DIMENSION,
    ),
    "precision": Metric(
        title="Credible samples",
        measures="The share of the samples that lie among the held-out images: low if samples look "
        "like no real image.",
        computed_by="components.metrics.fidelity_and_diversity.precision",
        larger_is_better=True,
    ),
    "recall": Metric(
        title="Reached images",
        measures="The share of the held-out images that lie among the samples: low if variety is "
        "missing.",
        computed_by="components.metrics.fidelity_and_diversity.recall",
        larger_is_better=True,
    ),
    "density": Metric(
        title="Typical samples",
        measures="How many held-out images there are around each sample: low if samples are unlike "
        "most real images.",
        computed_by="components.metrics.fidelity_and_diversity.density",
        larger_is_better=True,
    ),
    "coverage": Metric(
        title="Covered images",
        measures="The share of the held-out images with a sample nearby: low if kinds of images "
        "are missing, or if few images repeat.",
        computed_by="components.metrics.fidelity_and_diversity.coverage",
        larger_is_better=True,
        at_holdout=True,
        limits={"max_place": 0.4, "max_worsening": 0.0},
    ),
    "spectrum_distance": Metric(
        title="Sharpness",
        measures="Whether the samples have as much detail as the held-out images at each scale, "
        "from coarse to fine: blur and grain both raise it.",
        computed_by="components.metrics.image_statistics.spectrum_distance",
        array="spectrum",
        limits={"max_place": 0.07},
    ),
    "color_distance": Metric(
        title="Brightness, contrast and color",
        measures="Whether the samples are on average as bright, as rich in contrast and of the "
        "same colors as the held-out images.",
        computed_by="components.metrics.image_statistics.color_distance",
        array="colors",
        limits={"max_place": 0.1},
    ),
    "layout_distance": Metric(
        title="Layout",
        measures="Whether the average sample is light, dark and colored in the same places as the "
        "average held-out image.",
        computed_by="components.metrics.image_statistics.layout_distance",
        array="layout",
        limits={"max_place": 0.025},
        # The mean image of noise is gray, and so is nearly that of photographs: a hardly visible
        # difference would be a large part of the way.
        least_span=60.0,
    ),
    "psnr": Metric(
        title="Nearness to the image, in pixels",
        measures="The peak signal-to-noise ratio of each result beside the held-out image that it "
        "should be, in dB; the mean of all possible answers, which is blurred, has the highest.",
        computed_by="components.metrics.pair_scores.mean_score",
        larger_is_better=True,
        array="psnr",
        paired=True,
        at_holdout=True,
        of_any_number=True,
    ),
    "ssim": Metric(
        title="Structural similarity to the image",
        measures="Whether edges and textures of each result are where they are in the held-out "
        "image.",
        computed_by="components.metrics.pair_scores.mean_score",
        larger_is_better=True,
        array="ssim",
        paired=True,
        at_holdout=True,
        of_any_number=True,
    ),
    "feature_distance": Metric(
        title="Nearness to the image, in features",
        measures="The squared distance between the features of each result and of the held-out "
        "image: 0 if they are equal, 1 if they are as far apart as two held-out images.",
        computed_by="components.metrics.pair_scores.mean_score",
        array="feature_distance",
        paired=True,
        at_holdout=True,
        of_any_number=True,
    ),
    "consistency": Metric(
        title="Consistency with the source",
        measures="Whether each result, degraded as its image was, is the source again (PSNR, in "
        "dB).",
        computed_by="components.metrics.pair_scores.mean_score",
        larger_is_better=True,
        array="consistency",
        paired=True,
        at_holdout=True,
        of_any_number=True,
    ),
}

CATALOG = {name: metric for name, metric in METRICS.items() if not metric.paired}
PAIR_METRICS = {name: metric for name, metric in METRICS.items() if metric.paired}
HOLDOUT_METRICS = tuple(f"{name}{AT_HOLDOUT}" for name in CATALOG if METRICS[name].at_holdout)
HOLDOUT_PAIR_METRICS = tuple(
    f"{name}{AT_HOLDOUT}" for name in PAIR_METRICS if METRICS[name].at_holdout
)


def get_metric(name: str) -> Metric:
    """Returns the metric with a name in METRICS, or with AT_HOLDOUT after it."""
    return METRICS[name.removesuffix(AT_HOLDOUT)]
