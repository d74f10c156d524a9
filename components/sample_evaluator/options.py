"""Options of SampleEvaluator: samples, features, metrics, thresholds."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_serializer, model_validator

from components.metrics import (
    AT_HOLDOUT,
    CATALOG,
    HOLDOUT_METRICS,
    HOLDOUT_PAIR_METRICS,
    METRICS,
    MIN_IMAGES,
    PAIR_METRICS,
    get_metric,
)
from components.real_features.options import RealFeaturesOptions
from trainer.common.options import Options

MetricName = Literal[(*CATALOG, *HOLDOUT_METRICS, *PAIR_METRICS, *HOLDOUT_PAIR_METRICS)]

LIMITS = {"strict": 0.5, "default": 1.0, "loose": 2.0}  # factors of every default `max_place`
MAX_PLACE = 0.9  # of any metric: what is nearer to noise than this is noise


class Threshold(Options):
    """When a metric rejects a model."""

    minimum: float | None = Field(
        None, allow_inf_nan=False, description="reject a model below this value"
    )
    maximum: float | None = Field(
        None, allow_inf_nan=False, description="reject a model above this value"
    )
    max_place: float | None = Field(
        None,
        ge=0,
        le=1,
        description="reject a model whose value is further on the way from the floor, which "
        "training images reach, to noise than this share, by more than the spread over images",
    )
    max_worsening: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="reject a model that is worse than the latest blessed one, on the same seeds "
        "and images, by more than this plus the spread over seeds",
    )

    @model_validator(mode="after")
    def _names_a_limit(self) -> "Threshold":
        if not self.model_fields_set:
            raise ValueError(
                "sets no limit; add minimum, maximum, max_place or max_worsening, or null in place "
                "of them all to drop the metric"
            )
        if None not in (self.minimum, self.maximum) and self.minimum > self.maximum:
            raise ValueError(
                f"minimum={self.minimum:g} is above maximum={self.maximum:g}: no value is both"
            )
        return self


DEFAULTS = {name: Threshold(**metric.limits) for name, metric in METRICS.items() if metric.limits}


def judged_names(stored: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the metrics with limits, from options as JSON."""
    thresholds = stored["thresholds"]
    defaults = DEFAULTS if stored["limits"] != "none" else ()
    names = dict.fromkeys((*defaults, *thresholds))
    return tuple(name for name in names if thresholds.get(name, name) is not None)


class EvaluateOptions(RealFeaturesOptions):
    """How the quality of samples is judged."""

    min_samples: int = Field(
        MIN_IMAGES,
        ge=MIN_IMAGES,
        description="reject all models if there are fewer held-out images, or training images",
    )
    limits: Literal["strict", "default", "loose", "none"] = Field(
        "default",
        description="how far from real images a model may be, in all metrics: strict halves the "
        "default limits, loose doubles them, none leaves only those in thresholds",
    )
    thresholds: dict[MetricName, Threshold | None] = Field(
        default_factory=dict,
        description="thresholds by name of the metric; each value replaces its default, and null "
        "drops the metric from the verdict",
    )
    max_memorized: float = Field(
        0.4,
        ge=0,
        le=1,
        description="reject a model if more than this share of its samples are closer to a "
        "training image than held-out images are",
    )
    bless: Literal["auto", "always", "never"] = Field(
        "auto", description="auto: by the limits; always, never: regardless of the limits"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="first seed of the samples")

    @field_serializer("thresholds")
    def _only_what_is_set(self, thresholds: Mapping[str, Threshold | None]) -> dict[str, Any]:
        """A field that was not set has a default, which null would drop."""
        return {
            name: limit and limit.model_dump(exclude_unset=True)
            for name, limit in thresholds.items()
        }

    @model_validator(mode="after")
    def _samples_suffice(self) -> "EvaluateOptions":
        if self.samples < self.min_samples:
            raise ValueError(
                f"samples={self.samples} must be at least min_samples={self.min_samples}, "
                "or no model can be blessed"
            )
        return self

    @model_validator(mode="after")
    def _pairs_have_no_place(self) -> "EvaluateOptions":
        for name, limit in self.thresholds.items():
            if get_metric(name).paired and limit and limit.max_place is not None:
                raise ValueError(
                    f"thresholds.{name}.max_place={limit.max_place:g}: results have no place "
                    "between training images and noise; set minimum, maximum or max_worsening"
                )
        return self

    @property
    def compares(self) -> bool:
        """Whether a metric with limits is compared with that of the latest blessed model."""
        return any(limit.max_worsening is not None for limit in self.judged.values())

    @property
    def judged(self) -> dict[MetricName, Threshold]:
        """The thresholds that apply: the defaults, and in their place what is configured."""
        found = {name: self._default(name) for name in DEFAULTS} if self.limits != "none" else {}
        for name, threshold in self.thresholds.items():
            if threshold is None:
                found.pop(name, None)
            else:
                given = {key: getattr(threshold, key) for key in threshold.model_fields_set}
                found[name] = found.get(name, threshold).model_copy(update=given)
        return found

    def _default(self, name: MetricName) -> Threshold:
        default = DEFAULTS[name]
        place = min(default.max_place * LIMITS[self.limits], MAX_PLACE)
        return default.model_copy(update={"max_place": place})

    def without_holdout(self) -> "EvaluateOptions":
        """Returns options for an evaluation without images of data.holdout."""
        kept = {name: t for name, t in self.thresholds.items() if not name.endswith(AT_HOLDOUT)}
        return self.model_copy(update={"thresholds": kept})

    def without_pairs(self) -> "EvaluateOptions":
        """Returns options for an evaluation of a model that does not translate."""
        kept = {name: t for name, t in self.thresholds.items() if not get_metric(name).paired}
        return self.model_copy(update={"thresholds": kept})
