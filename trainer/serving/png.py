"""PNG files in the graph of a model, marked as generated (trainer/common/xmp.py)."""

import zlib

import numpy as np
import tensorflow as tf

from trainer.common import xmp

REST = 2**31 - 1  # bytes, of a file to its end
HEADER = 33  # bytes of the signature and of the chunk IHDR, which is the first
SEED = "\0"  # stands for the seed in a packet; no XML contains it
SEED_WIDTH = 21  # characters of the longest int64, and its closing quote


class PngEncoder(tf.Module):
    """Encodes images as PNG files that carry an XMP packet with the model and the seed.

    Args:
        weights: what tells the model from others.
    """

    def __init__(self, weights: str) -> None:
        super().__init__(name="png")
        self._without_seed = xmp.png_chunk(xmp.packet(weights, ""))
        written = xmp.template(f'iadb:weights="{weights}" iadb:seed="{SEED * SEED_WIDTH}')
        chunk = xmp.png_chunk(written)
        place = chunk.index((SEED * SEED_WIDTH).encode())
        self._before, self._after = chunk[:place], chunk[place + SEED_WIDTH : -4]
        self._crc, self._changes = _crc_by_byte(chunk[4:-4], place - 4)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Encodes images, uint8 [N, H, W, C], of seeds, int64 [N], as PNG files, string [N]."""
        files = tf.map_fn(
            tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string)
        )
        chunk = self._without_seed if seed is None else self._with_seed(seed)
        return tf.strings.join(
            [
                tf.strings.substr(files, 0, HEADER),
                chunk,
                tf.strings.substr(files, HEADER, REST),
            ]
        )

    def _with_seed(self, seed: tf.Tensor) -> tf.Tensor:
        """The chunks, string [N], which differ in the seed and their checksum alone."""
        written = tf.strings.join([tf.strings.as_string(seed), '"' + " " * SEED_WIDTH])
        written = tf.strings.substr(written, 0, SEED_WIDTH)
        characters = tf.cast(tf.io.decode_raw(written, tf.uint8, fixed_length=SEED_WIDTH), tf.int32)
        crc = tf.fill(tf.shape(seed), tf.constant(self._crc, tf.uint32))
        for position in range(SEED_WIDTH):
            changes = tf.gather(self._changes[position], characters[:, position])
            crc = tf.bitwise.bitwise_xor(crc, changes)
        return tf.strings.join([self._before, written, self._after, _big_endian(crc)])


def _crc_by_byte(content: bytes, place: int) -> tuple[int, np.ndarray]:
    """The CRC-32 of a content, and what it changes by with each byte in place of the zeros there.

    A CRC is affine in the bits of its content, so the changes of different bytes add up by XOR.

    Returns:
        The CRC, and uint32 [SEED_WIDTH, 256].
    """
    crc = zlib.crc32(content)
    changes = np.empty([SEED_WIDTH, 256], np.uint32)
    for position in range(SEED_WIDTH):
        before, after = content[: place + position], content[place + position + 1 :]
        for byte in range(256):
            changes[position, byte] = zlib.crc32(before + bytes([byte]) + after) ^ crc
    return crc, changes


def _big_endian(numbers: tf.Tensor) -> tf.Tensor:
    """The bytes of uint32 [N], string [N]."""
    every = tf.constant([bytes([byte]) for byte in range(256)])
    shifted = tf.bitwise.right_shift(numbers[:, None], tf.constant([[24, 16, 8, 0]], tf.uint32))
    return tf.strings.reduce_join(tf.gather(every, tf.cast(shifted % 256, tf.int32)), axis=1)
