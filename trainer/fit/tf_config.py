"""TF_CONFIG, TensorFlow's own variable, by which processes are told of each other.

For example {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}
"""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from trainer.common.validation import explain


class _Cluster(BaseModel):
    model_config = ConfigDict(extra="forbid")  # parameter servers and evaluators have no part here
    chief: list[str] = []
    worker: list[str] = []


class _Task(BaseModel):
    type: Literal["chief", "worker"]
    index: NonNegativeInt


class TFConfig(BaseModel):
    """What TF_CONFIG says."""

    cluster: _Cluster = _Cluster()
    task: _Task | None = None

    @property
    def nb_worker(self) -> int:
        """Processes that train, the chief among them."""
        return len(self.cluster.chief) + len(self.cluster.worker)

    @model_validator(mode="after")
    def _task_is_in_the_cluster(self) -> "TFConfig":
        if self.nb_worker < 2:
            return self
        if self.task is None:
            raise ValueError("a cluster of several workers, but no task")
        if self.task.index >= len(getattr(self.cluster, self.task.type)):
            raise ValueError(f"the cluster has no {self.task.type} {self.task.index}")
        return self


def read_tf_config() -> TFConfig:
    """Reads the variable; where it is not set, or empty, there is no cluster.

    Raises:
        ValueError: it is malformed, or names jobs other than chief and worker; in one line.
    """
    try:
        return TFConfig.model_validate_json(os.environ.get("TF_CONFIG") or "{}")
    except ValidationError as error:
        raise ValueError(
            f"TF_CONFIG: {explain(error.errors()[0])}; expected "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from None
