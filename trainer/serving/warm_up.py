"""Requests that TF Serving sends to a new version before it serves it.

The first call of a signature takes seconds, since TensorFlow then optimizes its graph. If a request
fails, TF Serving does not load the version.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainer.names import WARM_UP


def write_requests(folder: str, requests: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes requests into a SavedModel.

    Args:
        folder: of the SavedModel.
        requests: by signature, its inputs by name.
    """
    path = f"{folder}/{WARM_UP}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
