"""Options of DriftGate: limits, and the action on drift."""

from typing import Literal

from pydantic import Field

from trainer.common.options import Options


class DriftOptions(Options):
    """When new images differ too much from earlier ones, and the action then."""

    on_drift: Literal["off", "warn", "hold"] = Field(
        "warn",
        description="off: no comparison; warn: report drift and continue; hold: stop the run "
        "and hold the data for review",
    )
    images: int = Field(
        1000, ge=50, description="maximum number of new images, and of earlier ones, to compare"
    )
    max_divergence: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest Jensen-Shannon divergence (0 to 1) of mean, stddev, source_width, "
        "source_height and source_bytes, and of source_mean and source_stddev of pairs, beyond "
        "chance, that is not drift",
    )
    max_feature_distance: float = Field(
        0.03,
        ge=0,
        le=2,
        description="largest squared MMD (0 to 2) of the features of the images, beyond chance, "
        "that is not drift",
    )
