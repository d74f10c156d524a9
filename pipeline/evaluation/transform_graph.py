"""The graph that decodes images, for an evaluation outside a pipeline."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from trainer import examples, preprocessing


def write_transform_graph(
    shape: tuple[int, int, int], folder: str, degrade: str | None = None, *, paired: bool = False
) -> None:
    """Writes the content of the TransformGraph artifact of an unconditional model.

    Nothing is learned from the images, so that no Beam pipeline is needed.

    Args:
        shape: H, W, C of the images.
        folder: to write to.
        degrade: how sources are derived from the images (trainer/source/options.py); None: none.
        paired: whether sources are stored beside some of the images. Of the others, which nothing
            translates, they are black.
    """
    raw = dict.fromkeys((examples.IMAGE, examples.LABEL), tf.io.FixedLenFeature([1], tf.string))
    types = dict.fromkeys(raw, tf.TensorSpec([None, 1], tf.string))
    if paired:
        raw[examples.SOURCE] = tf.io.VarLenFeature(tf.string)
        types[examples.SOURCE] = tf.SparseTensorSpec([None, None], tf.string)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(raw))
    metadata_io.write_metadata(metadata, f"{folder}/{tft.TFTransformOutput.RAW_METADATA_DIR}")
    options = {"resolution": shape[:2], "channels": shape[2], "degrade": degrade, "paired": paired}

    def preprocess(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        if paired:
            black = tf.io.encode_png(tf.zeros(shape, tf.uint8))
            count = tf.size(inputs[examples.IMAGE], tf.int64)
            stored = tf.sparse.reset_shape(inputs[examples.SOURCE], [count, 1])
            inputs = {**inputs, examples.SOURCE: tf.sparse.to_dense(stored, black)}
        return preprocessing.preprocessing_fn(inputs, options)

    impl_helper.analyze_in_place(preprocess, False, raw, types, folder)
