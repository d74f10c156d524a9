"""Lists and reads the images in Parquet files, as Hugging Face's datasets lay them out.

The column `image` is a struct with the content of the image file in `bytes`; `path` is not read.
The column `label`, if there is one, has text, categories, true and false, or whole numbers, whose
names are in the schema's metadata `huggingface` if the feature is a ClassLabel. Row groups are
read in batches, and of each column only what is needed.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.files import (
    DAMAGED,
    MAX_LABEL,
    ROWS,
    ImageFile,
    entry_of,
    to_label,
)
from components.image_example_gen.folders.storage import MAX_IMAGE_BYTES, TOO_LARGE

IMAGE, CONTENT, LABEL = "image", "image.bytes", "label"
NOT_PARQUET = "not a Parquet file, or damaged"
NO_IMAGES = "no column `image` of struct<bytes: binary, path: string>"
WRONG_LABELS = "the column `label` has neither text, whole numbers nor booleans"
WRONG_ROWS = "the file states more rows than it has bytes"
DAMAGED_GROUP = "row group is damaged"
NO_IMAGE = "no image in this row"
# Read at once: in bytes of a column as it is stored, and of images.
BUFFER_BYTES, BATCH_BYTES, BATCH_ROWS = 1 << 20, 8 << 20, 64
LABEL_ROWS = 1 << 12
LEAST_ROWS = 8  # that threads may be apart
# A column without any value has the type null.
KINDS_OF_LABELS = (
    *(types.is_string, types.is_large_string, types.is_integer, types.is_boolean, types.is_null),
)
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


def list_parquet(stream: BinaryIO, archive: ImageFile) -> Iterator[ImageFile]:
    """Yields an image for each row, named by its number; reads the labels and no image.

    Args:
        stream: the file, seekable.
        archive: its path, size and time.

    Yields:
        Only the archive itself if it is damaged or has no column of images.

    Raises:
        OSError: the file cannot be read.
        StorageError: as above, in a bucket.
    """
    try:
        file = _open(stream)
        problem, names = _check(file.schema_arrow), _class_names(file.schema_arrow)
    except _DAMAGE as error:
        _raise_unless_damage(error)
        problem = NOT_PARQUET
    if not problem and file.metadata.num_rows > archive.size:
        problem = WRONG_ROWS
    if problem:
        yield replace(archive, problem=problem)
        return
    labeled, row = LABEL in file.schema_arrow.names, 0
    try:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            problem = TOO_LARGE if _mean_bytes(file, group) > MAX_IMAGE_BYTES else ""
            labels = _labels(file, group, names) if labeled else iter([None] * rows)
            for index in range(rows):
                label = next(labels, DAMAGED_GROUP)
                if label is DAMAGED_GROUP:
                    label, problem = None, DAMAGED_GROUP
                offset = group * ROWS + index
                yield entry_of(archive, f"{row:07}", 0, offset, label, problem)
                row += 1
    except _DAMAGE as error:
        _raise_unless_damage(error)
        yield replace(archive, problem=DAMAGED)


class ParquetContent:
    """The images in the rows of a file, to be read nearly in order."""

    def __init__(self, stream: BinaryIO) -> None:
        """Opens a file that `list_parquet` has listed.

        Raises:
            OSError, StorageError: as there.
            RejectedImage: it is damaged by now.
        """
        try:
            self._file = _open(stream)
        except _DAMAGE as error:
            _raise_unless_damage(error)
            raise RejectedImage(NOT_PARQUET) from error
        self._group = -1
        self._batches: Iterator[pa.RecordBatch] = iter(())
        # The last rows, from `_first` on, as threads ask for rows in about their order.
        self._first, self._rows = 0, []

    def read(self, offset: int, size: int) -> bytes:
        """Reads the image of a row, and what is before it in its row group unless that was read.

        Raises:
            OSError: the file cannot be read.
            RejectedImage: the row has no image, or one that is too large, or is damaged.
            StorageError: as `OSError`, in a bucket.
        """
        group, row = divmod(offset, ROWS)
        if group != self._group or row < self._first:
            rows = min(BATCH_ROWS, BATCH_BYTES // _mean_bytes(self._file, group))
            self._batches = self._file.iter_batches(
                max(1, rows), row_groups=[group], columns=[CONTENT]
            )
            self._group, self._first, self._rows = group, 0, []
        while row >= self._first + len(self._rows):
            self._advance()
        content = self._rows[row - self._first]
        if not content.is_valid:
            raise RejectedImage(NO_IMAGE)
        if content.as_buffer().size > MAX_IMAGE_BYTES:
            raise RejectedImage(TOO_LARGE)
        return content.as_py()

    def _advance(self) -> None:
        try:
            batch = next(self._batches, None)
        except _DAMAGE as error:
            self._batches = iter(())
            _raise_unless_damage(error)
            batch = None
        if batch is None:
            raise RejectedImage(DAMAGED_GROUP)
        (content,) = batch.column(0).flatten()  # null where the struct is
        kept = self._rows[-max(LEAST_ROWS, len(content)) :]
        self._first += len(self._rows) - len(kept)
        self._rows = [*kept, *content]


def _open(stream: BinaryIO) -> pq.ParquetFile:
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=BUFFER_BYTES)


def _raise_unless_damage(error: Exception) -> None:
    """Raises an error of the storage; those that Arrow makes of damage have no number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def _mean_bytes(file: pq.ParquetFile, group: int) -> int:
    """Bytes of an image of a row group, uncompressed; at least 1."""
    found = file.metadata.row_group(group)
    columns = map(found.column, range(found.num_columns))
    size = sum(
        column.total_uncompressed_size for column in columns if column.path_in_schema == CONTENT
    )
    return max(1, size // max(1, found.num_rows))


def _check(schema: pa.Schema) -> str:
    """The problem of a schema; empty if there is none."""
    if schema.names.count(IMAGE) != 1:
        return NO_IMAGES
    kind = schema.field(IMAGE).type
    fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    content = fields.get("bytes") if types.is_struct(kind) else None
    if content is None or not (types.is_binary(content) or types.is_large_binary(content)):
        return NO_IMAGES
    if LABEL in schema.names:
        kind = schema.types[schema.names.index(LABEL)]
        kind = kind.value_type if types.is_dictionary(kind) else kind  # of a categorical column
        allowed = any(is_kind(kind) for is_kind in KINDS_OF_LABELS)
        if schema.names.count(LABEL) > 1 or not allowed:
            return WRONG_LABELS
    return ""


def _class_names(schema: pa.Schema) -> list[str]:
    """The names of the labels by number; none if the schema does not state them."""
    try:
        stated: Any = json.loads((schema.metadata or {})[b"huggingface"])
        names = stated["info"]["features"][LABEL]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    # JSON may have halves of characters.
    return [name[:MAX_LABEL].encode(errors="replace").decode() for name in names]


def _labels(file: pq.ParquetFile, group: int, names: list[str]) -> Iterator[str | None]:
    """Yields the labels of a row group; fewer if it is damaged."""
    try:
        for batch in file.iter_batches(LABEL_ROWS, row_groups=[group], columns=[LABEL]):
            for label in batch.column(0).to_pylist():
                if label is None or label == -1:  # of a test split without labels
                    yield ""
                elif isinstance(label, int) and 0 <= label < len(names):
                    yield to_label(names[label])
                else:
                    yield to_label(str(label)[:MAX_LABEL])
    except _DAMAGE as error:
        _raise_unless_damage(error)
