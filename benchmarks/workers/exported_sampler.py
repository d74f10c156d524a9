"""Draws with sampler SavedModels, by TensorFlow alone, without this project."""

import functools
import time

import tensorflow as tf
from serve import THREADS, serve

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
load = functools.cache(tf.saved_model.load)


def draw(folder: str, images: int) -> float:
    """Times a request for PNG files to the model in a folder, in seconds."""
    model = load(folder)
    seeds = tf.range(images, dtype=tf.int64)
    started = time.monotonic()
    model.signatures["serving_default"](seed=seeds)["image_bytes"].numpy()
    return time.monotonic() - started


serve({"draw": draw})
