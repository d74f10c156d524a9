"""What DriftGate can be told: what happens on drift, and how much of it is let pass."""

from typing import Any, Literal

from pydantic import Field, model_validator

from trainer.common.options import Options


class DriftOptions(Options):
    """When new images differ too much from those accepted before, and what then happens."""

    on_drift: Literal["off", "warn", "hold"] = Field(
        "warn",
        description="off: nothing is compared; warn: drift is told and the run goes on; hold: the "
        "run ends, and the data wait for a person",
    )
    images: int = Field(
        1000, ge=50, description="images compared, new ones and earlier ones: at most so many each"
    )
    max_divergence: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Jensen-Shannon divergence (0 to 1) of mean, stddev, source_width, "
        "source_height or source_bytes, beyond what chance explains, that is no drift yet",
    )
    max_feature_distance: float = Field(
        0.03,
        ge=0,
        le=2,
        description="squared MMD (0 to 2) of the features of the images, beyond what chance "
        "explains, that is no drift yet",
    )

    @model_validator(mode="before")
    @classmethod
    def _off_is_a_word(cls, values: Any) -> Any:
        """YAML takes `off` for false."""
        if isinstance(values, dict) and values.get("on_drift") is False:
            return {**values, "on_drift": "off"}
        return values
