"""Files of serialized examples, and how an example becomes an image."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf
import tensorflow_transform as tft

from trainer import examples
from trainer.common import exit_codes

Preprocess = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class DamagedExamplesError(ValueError):
    """A file of examples that is cut off or holds something else."""

    exit_code = exit_codes.WORKSPACE


def read_records(files: Sequence[str]) -> tf.data.Dataset:
    """Reads serialized tf.Examples, string [], from gzipped TFRecord files in the given order."""
    return tf.data.TFRecordDataset(files, compression_type="GZIP", buffer_size=2**20)


def count_records(files: Sequence[str]) -> int:
    """Counts the examples in the files by reading them."""
    return int(read_records(files).reduce(tf.constant(0, tf.int64), lambda n, _: n + 1).numpy())


def key_of(feature: Mapping[str, tf.train.Feature]) -> bytes:
    """The key of a parsed example: SHA-256 of its pixels, and its path, since pixels repeat."""
    return b" ".join(feature[name].bytes_list.value[0] for name in (examples.SHA256, examples.PATH))


def scatter(key: bytes) -> bytes:
    """Makes of a key one that does not sort examples with equal pixels together."""
    return hashlib.sha256(key).hexdigest().encode()


@contextlib.contextmanager
def naming_damaged(files: Sequence[str], made_by: str) -> Iterator[None]:
    """Names the damaged one of files that are read inside, of which TensorFlow names none.

    Args:
        files: of splits, each in a folder of an artifact.
        made_by: what makes that artifact again where it is missing.

    Raises:
        DamagedExamplesError: one is damaged, or empty, which reads as if it had no examples.
    """
    for file in files:
        if not tf.io.gfile.stat(file).length:
            raise _damaged(file, made_by)
    try:
        yield
    except tf.errors.DataLossError as error:
        for file in files:
            try:
                count_records([file])
            except tf.errors.DataLossError:
                raise _damaged(file, made_by) from error
        raise


def _damaged(file: str, made_by: str) -> DamagedExamplesError:
    artifact = file.rsplit("/", 2)[0]
    return DamagedExamplesError(
        f"{file} is damaged: remove {artifact}, which {made_by} then makes again"
    )


def fingerprint(files: Sequence[str]) -> str:
    """Returns the SHA-256 of the files' content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        with tf.io.gfile.GFile(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def load_preprocessor(transform_graph: str) -> Preprocess:
    """Loads Transform's graph, the only definition of how an example becomes an image.

    Args:
        transform_graph: the URI of a TransformGraph artifact.

    Returns:
        A function from serialized tf.Examples, string [N], to `image`, float32 [N, H, W, C] in
        [-1, 1], and `label`, string [N]; where images have sources, also `source`, float32
        [N, H, W, S] in [-1, 1].
    """
    output = tft.TFTransformOutput(transform_graph)
    spec = output.raw_feature_spec()
    layer = output.transform_features_layer()

    @tf.autograph.experimental.do_not_convert  # it would take seconds to rewrite TFT's code
    def preprocess(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        return layer(tf.io.parse_example(serialized, spec))

    return preprocess
