"""Where the outcomes of checks for new data are posted, and where metrics are written."""

from pydantic import Field

from pipeline.registry.names import Outcome
from trainer.common.options import Options


class NotifyOptions(Options):
    """Notifications of unattended retraining."""

    webhook_env: str = Field(
        "IADB_WEBHOOK",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the URL that checks are posted to; nothing is "
        "posted if it is not set. The URL is a secret, so it stands nowhere else",
    )
    on: tuple[Outcome, ...] = Field(
        (
            Outcome.BLESSED,
            Outcome.NOT_BLESSED,
            Outcome.HELD,
            Outcome.FAILED,
            Outcome.TIMED_OUT,
        ),
        description="outcomes of a check that are posted",
    )
    textfile: str | None = Field(
        None,
        pattern=r"\.prom$",
        description="file for the metrics, read by Prometheus's node exporter; by default "
        "metrics.prom in the workspace",
    )
