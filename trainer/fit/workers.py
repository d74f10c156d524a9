"""Which devices and processes share a training, as the environment says.

Several processes, one a machine, are told of each other by TF_CONFIG (trainer/fit/tf_config.py).
Each trains on its part of every batch; one of them, the chief, writes the results.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.fit.tf_config import read_tf_config


class WorkerLostError(RuntimeError):
    """Another worker has ended in the midst of a training."""


def choose_strategy() -> tf.distribute.Strategy:
    """Mirrors the training over the GPUs of this machine, and over the workers of TF_CONFIG.

    Where there is one device, there is nothing to mirror. With several workers, returns once all
    have come up. To be called before anything else makes TensorFlow start its devices.

    Raises:
        ValueError: TF_CONFIG is malformed, or names jobs other than chief and worker.
    """
    nb_worker = read_tf_config().nb_worker
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if nb_worker > 1:
        print(f"  waiting for all {nb_worker} workers of TF_CONFIG", flush=True)
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes share the training."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what comes of the training; true where it is the only one."""
    return strategy.extended.should_checkpoint


def check_same_start(
    strategy: tf.distribute.Strategy, step: int, weights: Sequence[np.ndarray]
) -> None:
    """Makes sure that all workers go on from the same step and the same weights.

    Raises:
        ValueError: they do not; on every worker.
    """
    checksum = 0
    for array in weights:
        checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
    starts = strategy.gather(tf.constant([[step, checksum]], tf.int64), axis=0).numpy()
    steps = starts[:, 0].tolist()
    if len(set(steps)) > 1:
        raise ValueError(
            f"the workers found checkpoints of different steps ({steps}): give all of them the "
            "same folder of checkpoints, on a file system that they share"
        )
    if len(set(starts[:, 1].tolist())) > 1:
        raise ValueError(
            f"the workers start from different weights at step {step}: give all of them the same "
            "folder of checkpoints and the same base model, on a file system that they share"
        )
