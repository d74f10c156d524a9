"""Files of what was decided: for the shards of the same run, and for later runs."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.near_duplicates.grouping import Earlier, first_bytes, no_hashes
from components.image_example_gen.shuffle.files import INDEX, complete_file

DECIDED = "near_duplicates.npz"  # in the folder `.index`, for later runs
EARLIER = "earlier.npz"  # while a run works: what those before it decided
_UNUSABLE = (  # missing or damaged; a storage that fails ends the run, so that no decision is lost
    FileNotFoundError,
    tf.errors.NotFoundError,
    tf.errors.FailedPreconditionError,  # a part of its path is no folder
    ValueError,
    KeyError,
    EOFError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Decided(Earlier):
    """What a run decided of the images that it compared.

    Attributes:
        held_out: uint8 [k, 32]: the hashes of those that look like an image of holdout, sorted.
    """

    held_out: np.ndarray = field(default_factory=no_hashes)

    def groups_between(self, first: bytes, last: bytes) -> Mapping[bytes, bytes]:
        """Returns the followers from one hash to another one, with their groups."""
        here = _between(self.followers, first, last)
        return dict(zip(_each(self.followers[here]), _each(self.groups[here]), strict=True))

    def held_out_between(self, first: bytes, last: bytes) -> set[bytes]:
        """Returns those from one hash to another one that look like an image of holdout."""
        return set(_each(self.held_out[_between(self.held_out, first, last)]))


def write_decided(path: str, partial: str, decided: Decided) -> None:
    """Writes a file, atomically; `partial` as in `complete_file`."""
    content = io.BytesIO()
    np.savez(content, **vars(decided))
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "wb") as file:
        file.write(content.getvalue())


def read_decided(path: str) -> Decided:
    """Reads a file from `write_decided`.

    Raises:
        OSError, tf.errors.OpError, ValueError, KeyError, EOFError, zipfile.BadZipFile: it is
            missing or damaged.
    """
    with fileio.open(path, "rb") as file:
        content = io.BytesIO(file.read())
    with np.load(content, allow_pickle=False) as arrays:
        decided = Decided(**{name: arrays[name] for name in vars(Decided())})
    for name, expected in vars(Decided()).items():
        found = getattr(decided, name)
        if found.dtype != expected.dtype or found.shape[1:] != expected.shape[1:]:
            raise ValueError(f"{path}: unexpected {name}")
    if len(decided.followers) != len(decided.groups):
        raise ValueError(f"{path}: followers without groups")
    return decided


def read_earlier(artifacts: Iterable[str]) -> Decided:
    """Reads what earlier runs decided; nothing if each file is missing or damaged.

    The newest file that is there has what was decided before it, too.

    Args:
        artifacts: folders, the newest first.

    Raises:
        OSError, tf.errors.OpError: a file cannot be read for now.
    """
    for artifact in artifacts:
        with contextlib.suppress(*_UNUSABLE):
            return read_decided(os.path.join(artifact, INDEX, DECIDED))
    return Decided()


def join(first: Decided, second: Decided) -> Decided:
    """Adds the images of the second that the first has not seen; `held_out` is of the first."""
    new = ~np.isin(first_bytes(second.followers), first.seen)
    followers = np.concatenate([first.followers, second.followers[new]])
    groups = np.concatenate([first.groups, second.groups[new]])
    order = np.argsort(first_bytes(followers))
    seen = np.union1d(first.seen, second.seen)
    return Decided(seen, followers[order], groups[order], first.held_out)


def _between(hashes: np.ndarray, first: bytes, last: bytes) -> slice:
    """Where sorted hashes begin with the first bytes of one hash to those of another one."""
    begins = first_bytes(hashes)
    low, high = (np.uint64(int.from_bytes(each[:8], "big")) for each in (first, last))
    return slice(np.searchsorted(begins, low), np.searchsorted(begins, high, "right"))


def _each(hashes: np.ndarray) -> Iterator[bytes]:
    return (row.tobytes() for row in hashes)
