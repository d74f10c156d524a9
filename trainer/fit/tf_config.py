"""Reads TF_CONFIG, TensorFlow's variable that lists the processes of a distributed training.

For example {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}
"""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from trainer.common.validation import explain


class _Cluster(BaseModel):
    model_config = ConfigDict(extra="forbid")  # parameter servers and evaluators are not supported
    chief: list[str] = []
    worker: list[str] = []


class _Task(BaseModel):
    type: Literal["chief", "worker"]
    index: NonNegativeInt


class TFConfig(BaseModel):
    """The content of TF_CONFIG."""

    cluster: _Cluster = _Cluster()
    task: _Task | None = None

    @property
    def nb_worker(self) -> int:
        """Number of processes that train, including the chief."""
        return len(self.cluster.chief) + len(self.cluster.worker)

    @model_validator(mode="after")
    def _task_is_in_the_cluster(self) -> "TFConfig":
        if self.nb_worker < 2:
            return self
        if self.task is None:
            raise ValueError("the cluster has several workers, but the task is missing")
        if self.task.index >= len(getattr(self.cluster, self.task.type)):
            raise ValueError(f"the cluster has no {self.task.type} {self.task.index}")
        return self


def read_tf_config() -> TFConfig:
    """Reads the variable; unset or empty means no cluster.

    Raises:
        ValueError: it is malformed or names jobs other than chief and worker; a one-line message.
    """
    try:
        return TFConfig.model_validate_json(os.environ.get("TF_CONFIG") or "{}")
    except ValidationError as error:
        raise ValueError(
            f"TF_CONFIG: {explain(error.errors()[0])}; expected "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from None
