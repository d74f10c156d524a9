"""The file that holds the network of a model as ONNX: which model it belongs to, and its digest.

A SHA-256 of all bytes before it is the last entry of the file's metadata, since protobuf messages
may be concatenated: any program for ONNX reads the file, and a damaged one is recognized. The entry
METADATA is JSON:

    solver, grid, nb_step, guidance: how the model samples; autoguidance is part of the
        network
    fixed_steps: whether the network is right only at the alphas at which its own nb_step begin
    noise: how x0 follows from a seed
    labels: names of the classes in the order of their ids; the id of no label follows them
    fingerprint: SHA-256 of the fingerprint of the SavedModel
"""

import hashlib
from pathlib import Path

METADATA = "iadb"
# Weights: a conversion takes many times their memory, and a training must not end for it.
MAX_WEIGHTS = 20_000_000
NOISE = "tf.random.stateless_normal(shape, [seed, 0], alg='philox')"

# Field 14 of a ModelProto, metadata_props: a key and a value of 64 characters.
_ENTRY = b"\x72\x4a\x0a\x06sha256\x12\x40"
_LENGTH = len(_ENTRY) + 64


class NetworkFileError(ValueError):
    """An exported network cannot be used; the message gives file and reason in one line."""


def belongs_beside(weights: int, translates: bool) -> bool:
    """Whether a training writes the network beside its model.

    Args:
        weights: of the network, and of its guide if it is exported with one.
        translates: whether the model translates images.
    """
    return not translates and weights <= MAX_WEIGHTS


def seal(model: bytes) -> bytes:
    """Appends the digest to a serialized ONNX model."""
    return model + _ENTRY + hashlib.sha256(model).hexdigest().encode()


def fingerprint(content: bytes) -> str:
    """What names a SavedModel in the metadata, from the content of its fingerprint.pb."""
    return hashlib.sha256(content).hexdigest()


def read(file: Path) -> bytes:
    """Returns the content of a sealed file.

    Raises:
        NetworkFileError: it cannot be read, or is not what `seal` made.
    """
    content = read_bytes(file)
    if seal(content[:-_LENGTH]) != content:
        raise NetworkFileError(f"{file} is damaged")
    return content


def read_bytes(file: Path) -> bytes:
    """Returns the content of a file that is needed to use a network.

    Raises:
        NetworkFileError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{file}: {error.strerror}") from error
