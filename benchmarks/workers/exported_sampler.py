"""Draws with the sampler SavedModel of a model: `exported_sampler.py FOLDER`.

Uses TensorFlow only, not this project.
"""

import sys
import time

import tensorflow as tf
from serve import THREADS, serve

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
model = tf.saved_model.load(sys.argv[1])


def draw(images: int) -> float:
    """Times a request for PNG files, in seconds."""
    seeds = tf.range(images, dtype=tf.int64)
    started = time.monotonic()
    model.signatures["serving_default"](seed=seeds)["image_bytes"].numpy()
    return time.monotonic() - started


serve({"draw": draw})
