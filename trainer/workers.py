"""Which devices and processes share a training, as the environment says.

Several processes, one a machine, are told of each other by TF_CONFIG, TensorFlow's own variable:

    {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}

Each trains on its part of every batch; one of them, the chief, writes the results.
"""

import os
from typing import Literal

import tensorflow as tf
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator


class WorkerLostError(RuntimeError):
    """Another worker has ended in the midst of a training."""


class _Cluster(BaseModel):
    model_config = ConfigDict(extra="forbid")  # parameter servers and evaluators have no part here
    chief: list[str] = []
    worker: list[str] = []


class _Task(BaseModel):
    type: Literal["chief", "worker"]
    index: NonNegativeInt


class _TFConfig(BaseModel):
    cluster: _Cluster = _Cluster()
    task: _Task | None = None

    @property
    def nb_worker(self) -> int:
        return len(self.cluster.chief) + len(self.cluster.worker)

    @model_validator(mode="after")
    def _task_is_in_the_cluster(self) -> "_TFConfig":
        if self.nb_worker < 2:
            return self
        if self.task is None:
            raise ValueError("a cluster of several workers, but no task")
        if self.task.index >= len(getattr(self.cluster, self.task.type)):
            raise ValueError(f"the cluster has no {self.task.type} {self.task.index}")
        return self


def choose_strategy() -> tf.distribute.Strategy:
    """Mirrors the training over the GPUs of this machine, and over the workers of TF_CONFIG.

    Where there is one device, there is nothing to mirror. With several workers, returns once all
    have come up. To be called before anything else makes TensorFlow start its devices.

    Raises:
        ValueError: TF_CONFIG is malformed, or names jobs other than chief and worker.
    """
    nb_worker = _read_tf_config().nb_worker
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if nb_worker > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes share the training."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what comes of the training; true where it is the only one."""
    return strategy.extended.should_checkpoint


def check_same_step(strategy: tf.distribute.Strategy, step: int) -> None:
    """Makes sure that all workers go on from the same step.

    Raises:
        ValueError: they do not; on every worker.
    """
    steps = strategy.gather(tf.constant([step], tf.int64), axis=0).numpy().tolist()
    if len(set(steps)) > 1:
        raise ValueError(
            f"the workers found checkpoints of different steps ({steps}): give all of them the "
            "same folder of checkpoints, on a file system that they share"
        )


def _read_tf_config() -> _TFConfig:
    try:
        return _TFConfig.model_validate_json(os.environ.get("TF_CONFIG") or "{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}." for part in first["loc"]).rstrip(".")
        raise ValueError(
            f"TF_CONFIG: {where + ': ' if where else ''}{first['msg']}; expected "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from None
