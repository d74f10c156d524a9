"""Whom to tell about what is done without a person looking, and where its metrics are written."""

from pydantic import Field

from pipeline.registry.names import Outcome
from trainer.common.options import Options


class NotifyOptions(Options):
    """What is told, and to whom."""

    webhook_env: str = Field(
        "IADB_WEBHOOK",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the URL that attempts are posted to; where it is "
        "not set, nobody is told. The URL is a secret and so stands nowhere else",
    )
    on: tuple[Outcome, ...] = Field(
        (
            Outcome.BLESSED,
            Outcome.NOT_BLESSED,
            Outcome.HELD,
            Outcome.FAILED,
            Outcome.TIMED_OUT,
        ),
        description="outcomes of an attempt that are told",
    )
    textfile: str | None = Field(
        None,
        pattern=r"\.prom$",
        description="where the metrics for Prometheus's node exporter are written; without it, "
        "metrics.prom in the workspace",
    )
