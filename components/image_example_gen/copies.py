"""Counts sources that are images as well, where the two are not paired."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tfx.dsl.io import fileio

from components.image_example_gen.shuffle.earlier import THREADS
from components.image_example_gen.shuffle.files import INDEX, INDEX_SUFFIX
from components.image_example_gen.shuffle.rows import ROW_TYPE, read_rows


def count_copies(images: str, sources: str) -> int:
    """Returns the number of sources whose pixels an image has.

    Args:
        images: folder to which `write_examples` has written the report on images.
        sources: the same for sources.
    """
    return int(np.isin(_hashes(sources), _hashes(images)).sum())


def _hashes(folder: str) -> np.ndarray:
    """The first 64 bits of the hashes of all accepted images, uint64 [n]."""
    index = os.path.join(folder, INDEX)
    paths = [
        os.path.join(index, name) for name in fileio.listdir(index) if name.endswith(INDEX_SUFFIX)
    ]
    with ThreadPoolExecutor(THREADS) as threads:
        found = np.concatenate([*threads.map(_hashes_of_shard, paths)])
    return found[found > 0]  # those of rejected files are 0


def _hashes_of_shard(path: str) -> np.ndarray:
    rows = np.frombuffer(read_rows(path).packed, ROW_TYPE)
    return rows["sha256"][:, 0].astype(np.uint64)
