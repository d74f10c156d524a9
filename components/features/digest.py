"""Pins weights by their SHA-256: only what the configuration names is loaded."""

import hashlib
from pathlib import Path

from trainer.common import exit_codes
from trainer.common.text import first_line


class FeatureError(ValueError):
    """A feature space cannot be computed; one line gives the reason and the remedy."""

    exit_code = exit_codes.USAGE


def digest(uri: str) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits.

    Args:
        uri: a path, or a URI that tf.io.gfile opens (gs://...).

    Raises:
        FeatureError: no file is at the URI, or it cannot be read.
    """
    return hashlib.sha256(_read(uri)).hexdigest()


def read_pinned(uri: str, sha256: str) -> bytes:
    """The content of a file with the digest `sha256`.

    Raises:
        FeatureError: no file is at the URI, it cannot be read, or it has another digest.
    """
    content = _read(uri)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FeatureError(
            f"evaluate.features.sha256: {uri} has the digest {found}, expected {sha256}; "
            "restore the pinned file, or pin this one if you trust it"
        )
    return content


def _read(uri: str) -> bytes:
    if "://" not in uri:
        try:
            return Path(uri).read_bytes()
        except OSError as error:
            raise FeatureError(f"cannot read {uri}: {error.strerror}") from None
    import tensorflow as tf  # takes seconds, which digests of local files do not need

    try:
        with tf.io.gfile.GFile(uri, "rb") as file:
            return file.read()
    except tf.errors.OpError as error:
        raise FeatureError(f"cannot read {uri}: {first_line(error)}") from None
