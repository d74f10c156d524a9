"""When new data start a run, and how a failed or stuck run is handled."""

from pydantic import Field

from trainer.common.options import Options


class ScheduleOptions(Options):
    """Options of `iadb run --if-new-data` and `iadb schedule`."""

    min_new_images: int = Field(1, ge=1, description="a run waits for this many new images")
    max_model_age_days: float | None = Field(
        None,
        gt=0,
        description="when the live model is older, one new image starts a run; null: no limit",
    )
    retries: int = Field(2, ge=0, le=10, description="retries of a failed run")
    retry_wait_seconds: float = Field(
        300.0, ge=0, description="wait before the first retry; it doubles each time"
    )
    timeout_hours: float = Field(
        24.0, gt=0, description="a run that takes longer is terminated; its training can be resumed"
    )
    min_free_gb: float = Field(
        2.0,
        ge=0,
        description="free disk space that a run needs to start, in gigabytes (10^9 bytes)",
    )
