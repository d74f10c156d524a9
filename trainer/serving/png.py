"""PNG files in the graph of a model, marked as generated (trainer/common/xmp.py)."""

import tensorflow as tf

from trainer.common import xmp

REST = 2**31 - 1  # bytes, of a file to its end
HEADER = 33  # bytes of the signature and of the chunk IHDR, which is the first


def encode(images: tf.Tensor, weights: str) -> tf.Tensor:
    """Encodes images as PNG files that carry an XMP packet.

    Args:
        images: uint8 [N, H, W, C].
        weights: what tells the model from others.

    Returns:
        string [N].
    """
    files = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string))
    chunk = xmp.png_chunk(xmp.packet(weights))
    head, rest = tf.strings.substr(files, 0, HEADER), tf.strings.substr(files, HEADER, REST)
    return tf.strings.join([head, chunk, rest])
