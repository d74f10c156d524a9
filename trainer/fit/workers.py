"""The devices and processes that share a training, as the environment describes them.

TF_CONFIG lists the processes (trainer/fit/tf_config.py), one per machine. Each trains on its part
of every batch; one of them, the chief, writes the results.
"""

import zlib
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import tensorflow as tf

from trainer.fit.tf_config import read_tf_config


class WorkerLostError(RuntimeError):
    """Another worker ended during the training."""


def choose_strategy() -> tf.distribute.Strategy:
    """Returns the strategy for the GPUs of this machine and the workers of TF_CONFIG.

    With one device, that is TensorFlow's default strategy. With several workers, returns once all
    are connected. Call it before anything else initializes TensorFlow's devices.

    Raises:
        ValueError: TF_CONFIG is malformed, or names jobs other than chief and worker.
    """
    nb_worker = read_tf_config().nb_worker
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # its memory is in use already
            tf.config.experimental.set_memory_growth(gpu, True)
    if nb_worker > 1:
        print(f"  waiting for all {nb_worker} workers of TF_CONFIG", flush=True)
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the results; true if it is the only one."""
    return strategy.extended.should_checkpoint


def check_same_start(
    strategy: tf.distribute.Strategy, step: int, weights: Sequence[np.ndarray]
) -> None:
    """Checks that all workers start from the same step and the same weights.

    Raises:
        ValueError: they do not; raised on every worker.
    """
    checksum = 0
    for array in weights:
        checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
    starts = strategy.gather(tf.constant([[step, checksum]], tf.int64), axis=0).numpy()
    steps = starts[:, 0].tolist()
    if len(set(steps)) > 1:
        raise ValueError(
            f"the workers found checkpoints of different steps ({steps}): all of them need the "
            "same folder of checkpoints on a shared file system"
        )
    if len(set(starts[:, 1].tolist())) > 1:
        raise ValueError(
            f"the workers start from different weights at step {step}: all of them need the same "
            "folder of checkpoints and the same base model on a shared file system"
        )
