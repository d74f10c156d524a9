"""What SampleEvaluator can be told: samples, features, metrics, thresholds."""

from typing import Literal

from pydantic import Field, model_validator

from trainer.options import Options

FeatureName = Literal["pixels"]
MetricName = Literal["kid", "frechet_distance"]


class Threshold(Options):
    """When a metric blocks a model. All metrics here are better when smaller."""

    maximum: float | None = Field(
        None, allow_inf_nan=False, description="the model is not blessed above this value"
    )
    max_increase: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="the model is not blessed when the metric exceeds that of the latest blessed "
        "model, on the same seeds and images, by more than this",
    )

    @model_validator(mode="after")
    def _blocks_something(self) -> "Threshold":
        if self.maximum is None and self.max_increase is None:
            raise ValueError("sets no limit: give maximum, max_increase or both")
        return self


class EvaluateOptions(Options):
    """How the quality of samples is judged."""

    samples: int = Field(
        2000, ge=2, description="samples and held-out images compared: at most this many of each"
    )
    min_samples: int = Field(
        100, ge=2, description="with fewer held-out images than this, no model is blessed"
    )
    batch_size: int = Field(256, ge=1, description="images a batch, in sampling and features")
    features: FeatureName = Field("pixels", description="feature space: pixels")
    thresholds: dict[MetricName, Threshold] = Field(
        default_factory=lambda: {"kid": Threshold(maximum=0.05, max_increase=0.01)},
        min_length=1,
        description="thresholds by metric name: kid, frechet_distance",
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
