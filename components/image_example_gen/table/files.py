"""Files of tables and of examples, which several workers write and read, local or at a URI."""

import io
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tfx.dsl.io import fileio

from components.image_example_gen.folders.storage import is_remote
from components.image_example_gen.near_duplicates import LOOK_BYTES
from trainer.common.files import sync

# In an artifact.
PARTIAL = ".partial"  # folder while a run works: parts, and what is being written
INDEX = ".index.parquet"  # the table of all its images, for later runs
UNUSED = ".unused"  # folder of shards of images that are in no split
# Endings of the files of a part: its table, and its examples, after their checksum.
TABLE, EXAMPLES = ".parquet", ".examples"

# A row of a table; null is where there is none.
SCHEMA = pa.schema(
    {
        "key": pa.binary(16),  # of what determines the example (known.py)
        "sha256": pa.binary(32),  # of the pixels; null for a rejected file
        "look": pa.binary(LOOK_BYTES),  # null for an image that is compared with no other
        "leader": pa.binary(),  # the hash that the example names as the group of near-duplicates
        "group": pa.string(),  # what group_pattern captures
        "span": pa.int32(),
        "reason": pa.string(),  # why the file was rejected
        "path": pa.string(),  # of a rejected file
        "notes": pa.string(),  # what is unusual about the image, a line each
        # The bytes of the example in a file, decompressed, beside that of the table.
        "file": pa.dictionary(pa.int32(), pa.string()),
        "offset": pa.int64(),
        "size": pa.int32(),
    }
)


def open_to_read(path: str) -> BinaryIO:
    """Opens a file, local or at a URI.

    TensorFlow, which reads for TFX, takes six times as long for local files. It writes them, since
    its errors name the file on a full disk.

    Raises:
        OSError, tf.errors.OpError: it cannot be opened.
    """
    return fileio.open(path, "rb") if is_remote(path) else open(path, "rb")


@contextmanager
def complete_file(path: str, partial: str) -> Iterator[str]:
    """Yields the path of a new file in the folder `partial`, which is moved to `path` at the end.

    An exception leaves it in `partial`.
    """
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    yield unfinished
    if not is_remote(path):
        sync(Path(unfinished))  # after a power failure, an empty file would be a valid one
    fileio.rename(unfinished, path, overwrite=True)
    if not is_remote(path):
        sync(Path(path).parent)


def write_table(path: str, partial: str, table: pa.Table) -> None:
    """Writes a table, atomically; `partial` as in `complete_file`."""
    content = io.BytesIO()
    pq.write_table(table, content, write_page_checksum=True)
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "wb") as file:
        file.write(content.getvalue())


def read_table(path: str, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Reads columns of a table; its files with examples get their whole paths.

    Raises:
        OSError, tf.errors.OpError: it cannot be read.
        ValueError: it is damaged, or not of SCHEMA.
    """
    with open_to_read(path) as file:
        content = pa.BufferReader(file.read())
    try:
        table = pq.read_table(content, columns=[*columns], page_checksum_verification=True)
    except (OSError, NotImplementedError) as error:  # so pyarrow calls damage, too
        raise ValueError(f"{path}: {error}") from None
    if table.schema != pa.schema([SCHEMA.field(name) for name in columns]):
        raise ValueError(f"{path}: unexpected columns")
    if "file" not in columns:
        return table
    files = table.unify_dictionaries()["file"].combine_chunks()
    folder = os.path.dirname(path)
    paths = [
        name if is_remote(name) else os.path.join(folder, name)  # which may begin with a slash
        for name in files.dictionary.to_pylist()
    ]
    paths = pa.array(paths, pa.string())
    files = pa.DictionaryArray.from_arrays(files.indices, paths)
    return table.set_column(table.schema.get_field_index("file"), "file", files)


def read_parts(folder: str) -> pa.Table:
    """Reads the tables of all parts in a folder; a killed run may have left any of them.

    Raises:
        OSError, tf.errors.OpError, ValueError: as `read_table`.
    """
    names = sorted(name for name in fileio.listdir(folder) if name.endswith(TABLE))
    tables = [read_table(os.path.join(folder, name)) for name in names]
    return pa.concat_tables([SCHEMA.empty_table(), *tables]).unify_dictionaries()


def add_places(table: pa.Table, keys: pa.Array) -> pa.Table:
    """Adds the column `place`, the number of the file; null where the key is none of these."""
    keys = keys if len(table) else keys[:0]  # to look up nothing needs no hash table of all files
    return table.append_column("place", pc.index_in(table["key"], value_set=keys))


def sort_rows(table: pa.Table) -> pa.Table:
    """Sorts the rows that have a place.

    Accepted images come first, in the order of their hashes, and of files where these are equal.
    """
    keys = [("sha256", "ascending"), ("place", "ascending")]
    order = pc.sort_indices(table, sort_keys=keys)
    return table.take(order.filter(table["place"].is_valid().take(order))).combine_chunks()


def to_mask(booleans: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Bool [n]."""
    return booleans.to_numpy(zero_copy_only=False).astype(bool)
