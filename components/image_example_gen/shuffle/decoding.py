"""Decodes the images of a part to the examples in its file, unless an earlier run did."""

import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen import names
from components.image_example_gen.decode import RejectedImage, decode
from components.image_example_gen.example import Row as Example
from components.image_example_gen.example import to_row
from components.image_example_gen.files import ImageFile, open_image
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.files import complete_file
from components.image_example_gen.shuffle.parts import (
    SUFFIX,
    DamagedPartError,
    Decoded,
    Part,
    Row,
    pack,
    parse_part,
    shard_of,
    unpack,
    write_part,
)
from components.image_example_gen.spans import ImageSource
from components.progress import DECODED, counted

FILES_PER_BATCH = 64
# Pillow releases the interpreter lock while it decodes, resizes and encodes. There are few threads
# because each may hold an image of max_pixels.
DECODE_THREADS = min(4, os.cpu_count() or 1)
COUNTS = "counts"  # output: ((kind, name), number)
NOTES, REASONS = "notes", "reasons"  # kinds, beside names.ACCEPTED and names.REJECTED by span
UNREADABLE = "cannot be read"


class DecodeParts(beam.DoFn):
    """Decodes parts; yields (shard, (name of the file, packed rows)).

    Further outputs are COUNTS, and names.REJECTED: (path, reason).

    Args:
        sources: what the parts are of. The images of the first one are counted by span.
        options: how each image is converted.
        split_salt: as in `example.split_of`.
        uses: the splits, and names of counts.
        partial: folder of the parts.
        shards: number of shards.
    """

    def __init__(
        self,
        sources: Sequence[ImageSource],
        options: ImageOptions,
        split_salt: str,
        uses: Sequence[str],
        partial: str,
        shards: int,
    ) -> None:
        super().__init__()
        self._sources = sources
        self._options = options
        self._split_salt = split_salt
        self._uses = list(uses)
        self._partial = partial
        self._shards = shards

    def setup(self) -> None:
        """Starts the threads, which cannot be pickled."""
        self._threads = ThreadPoolExecutor(DECODE_THREADS)

    def teardown(self) -> None:
        """Stops the threads."""
        self._threads.shutdown()

    def process(self, part: Part) -> Iterator[Any]:
        """Decodes a part, or takes over its file from an earlier run."""
        name, decoded = self._take_over(part) or self._decode(part)
        by_shard = defaultdict(list)
        for row in unpack(decoded.rows):
            by_shard[shard_of(row.sha256, self._shards)].append(row)
        for shard, rows in by_shard.items():
            yield shard, (name, pack(rows))
        for kind, what, number in decoded.counts:
            yield beam.pvalue.TaggedOutput(COUNTS, ((kind, what), number))
        for path, reason in decoded.rejected:
            yield beam.pvalue.TaggedOutput(names.REJECTED, (path, reason))

    def _take_over(self, part: Part) -> tuple[str, Decoded] | None:
        if not part.found:
            return None
        name = os.path.basename(part.found)
        try:
            with fileio.open(part.found, "rb") as file:
                content = file.read()
            decoded = parse_part(content)
        except (OSError, tf.errors.OpError, DamagedPartError):
            return None  # the run that wrote it ended and removed it, or the power failed
        path = os.path.join(self._partial, name)
        if part.found != path:
            # That run may be alive, or its folder removed while this one runs.
            with (
                complete_file(path, self._partial) as unfinished,
                fileio.open(unfinished, "wb") as file,
            ):
                file.write(content)
        with counted(DECODED, part.images):
            return name, decoded

    def _decode(self, part: Part) -> tuple[str, Decoded]:
        source = self._sources[part.source]
        files = part.files()
        found: list[tuple[bytes, int, int, bytes]] = []  # hash, order, use, example
        counts: Counter[tuple[str, str]] = Counter()
        rejected = []
        for first in range(0, len(files), FILES_PER_BATCH):
            batch = files[first : first + FILES_PER_BATCH]
            with counted(DECODED, len(batch)):
                results = list(self._threads.map(lambda file: self._to_row(file, source), batch))
            for order, (file, result) in enumerate(
                zip(batch, results, strict=True), part.first + first
            ):
                if isinstance(result, str):
                    rejected.append((file.path, result))
                    counts[REASONS, result] += 1
                    kind = names.REJECTED
                else:
                    row, notes = result
                    use = self._uses.index(row.split)
                    found.append((bytes.fromhex(row.sha256), order, use, row.example))
                    counts.update((NOTES, note) for note in notes)
                    kind = names.ACCEPTED
                if part.source == 0:
                    counts[kind, str(file.span)] += 1
        return self._write(
            part,
            found,
            [(kind, what, number) for (kind, what), number in counts.items()],
            rejected,
        )

    def _write(
        self,
        part: Part,
        found: list[tuple[bytes, int, int, bytes]],
        counts: Sequence[tuple[str, str, int]],
        rejected: Sequence[tuple[str, str]],
    ) -> tuple[str, Decoded]:
        """Writes the file of a part, in which the examples of one shard are together."""
        found.sort(key=lambda each: (shard_of(each[0], self._shards), each))
        rows, end = [], 0
        for sha256, order, use, example in found:
            rows.append(Row(sha256, order, use, end, len(example)))
            end += len(example)
        decoded = Decoded(pack(rows), counts, rejected)
        # A later run must try again to read what could not be read.
        readable = not any(reason.startswith(UNREADABLE) for _, reason in rejected)
        name = f"{part.key if readable else ''}-{uuid.uuid4().hex}{SUFFIX}"
        path = os.path.join(self._partial, name)
        write_part(path, self._partial, [example for *_, example in found], decoded)
        return name, decoded

    def _to_row(
        self, file: ImageFile, source: ImageSource
    ) -> tuple[Example, tuple[str, ...]] | str:
        if file.problem:
            return file.problem
        try:
            with open_image(source.folder, file.path) as stream:
                image = decode(stream, self._options)
            return to_row(file, image, source, self._options, self._split_salt), image.notes
        except RejectedImage as reason:
            return str(reason)
        except OSError as error:
            return f"{UNREADABLE} ({error.strerror})"
        except tf.errors.OpError:  # raised for remote folders
            return UNREADABLE
