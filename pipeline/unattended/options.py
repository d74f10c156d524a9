"""When new data lead to a run, and what happens to a run that nobody watches."""

from pydantic import Field

from trainer.common.options import Options


class ScheduleOptions(Options):
    """What `iadb run --if-new-data` and `iadb schedule` go by."""

    min_new_images: int = Field(1, ge=1, description="a run waits for this many new images")
    max_model_age_days: float | None = Field(
        None,
        gt=0,
        description="when the live model is older, a single new image leads to a run; none: no age",
    )
    retries: int = Field(2, ge=0, le=10, description="times that a failed run is started again")
    retry_wait_seconds: float = Field(
        300.0, ge=0, description="wait before the first of them; it doubles each time"
    )
    timeout_hours: float = Field(
        24.0, gt=0, description="a run that takes longer is ended; the training keeps its state"
    )
    min_free_gb: float = Field(
        2.0, ge=0, description="no run starts with less free disk space, in gigabytes (10^9 bytes)"
    )
    challenger_every: int = Field(
        0,
        ge=0,
        description="with train.warm_start, every so many runs a second model is trained from "
        "scratch, and goes live if it is better; 0: never",
    )
    challenger_on_drift: bool = Field(
        False, description="with train.warm_start, also train that model when the data drifted"
    )
