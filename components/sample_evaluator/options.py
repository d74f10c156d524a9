"""Options of SampleEvaluator: samples, features, metrics, thresholds."""

from typing import Literal

from pydantic import Field, model_validator

from components.real_features.options import RealFeaturesOptions
from trainer.common.options import Options

MetricName = Literal[
    "kid",
    "frechet_distance",
    "frechet_distance_inf",
    "mmd_rbf",
    "sliced_wasserstein",
    "precision",
    "recall",
    "density",
    "coverage",
    "spectrum_distance",
    "color_distance",
    "layout_distance",
    "kid@holdout",
    "frechet_distance@holdout",
    "coverage@holdout",
]


class Threshold(Options):
    """When a metric rejects a model."""

    minimum: float | None = Field(
        None, allow_inf_nan=False, description="reject a model below this value"
    )
    maximum: float | None = Field(
        None, allow_inf_nan=False, description="reject a model above this value"
    )
    max_worsening: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="reject a model that is worse than the latest blessed one, on the same seeds "
        "and images, by more than this plus the spread over seeds",
    )

    @model_validator(mode="after")
    def _blocks_something(self) -> "Threshold":
        if self.minimum is None and self.maximum is None and self.max_worsening is None:
            raise ValueError("sets no limit; add minimum, maximum or max_worsening")
        return self


class EvaluateOptions(RealFeaturesOptions):
    """How the quality of samples is judged."""

    min_samples: int = Field(
        100, ge=2, description="reject all models if there are fewer held-out images"
    )
    # Each of the three misses some faults (docs/evaluation.md); a maximum depends on the space.
    thresholds: dict[MetricName, Threshold] = Field(
        default_factory=lambda: {
            name: Threshold(max_worsening=0.0) for name in ("kid", "frechet_distance", "coverage")
        },
        min_length=1,
        description="thresholds by name of the metric",
    )
    min_coverage: float = Field(
        0.5,
        ge=0,
        le=1,
        description="reject a model whose samples cover less of the held-out images than this "
        "share of what training images cover",
    )
    max_memorized: float = Field(
        0.5,
        ge=0,
        le=1,
        description="reject a model if more than this share of its samples are closer to a "
        "training image than held-out images are",
    )
    require_improvement: bool = Field(
        False,
        description="bless a model only if it is better than the latest blessed one in a metric "
        "with thresholds, and worse in none, by more than the spread over seeds",
    )
    bless: Literal["auto", "always", "never"] = Field(
        "auto", description="auto: by the limits; always, never: regardless of the limits"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="first seed of the samples")

    @model_validator(mode="after")
    def _samples_suffice(self) -> "EvaluateOptions":
        if self.samples < self.min_samples:
            raise ValueError(
                f"samples={self.samples} must be at least min_samples={self.min_samples}, "
                "or no model can be blessed"
            )
        return self

    def without_holdout(self) -> "EvaluateOptions":
        """Returns options for an evaluation without images of data.holdout."""
        kept = {name: t for name, t in self.thresholds.items() if not name.endswith("@holdout")}
        return self.model_copy(update={"thresholds": kept})
