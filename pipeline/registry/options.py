"""How much of the output of runs is kept."""

from typing import Annotated

from pydantic import Field

from trainer.common.options import Options

Kept = Annotated[int | None, Field(ge=1)]


class RetentionOptions(Options):
    """How many of the newest of each kind are kept; null keeps all."""

    versions: Kept = Field(
        5, description="pushed models that are live or that `iadb rollback` can go back to"
    )
    runs: Kept = Field(20, description="runs whose artifacts are kept, with all they depend on")
    checkpoints: Kept = Field(3, description="trainings whose checkpoints are kept")
    reports: Kept = Field(100, description="reports of evaluations")
    logs: Kept = Field(100, description="logs and results of runs, access logs of `iadb serve`")
