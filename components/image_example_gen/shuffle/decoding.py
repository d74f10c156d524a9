"""Decodes the images of a part to the examples in its file."""

import functools
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam

from components.image_example_gen import names, reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.example import matches_group, to_row
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.image_decode import DECODE_THREADS, decode
from components.image_example_gen.near_duplicates.look import look_of
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.report import IN_HOLDOUT
from components.image_example_gen.shuffle.files import PART_SUFFIX
from components.image_example_gen.shuffle.parts import Member, Part
from components.image_example_gen.shuffle.rows import (
    NO_HASH,
    NO_LOOK,
    Outcome,
    Row,
    Rows,
    pack,
    write_rows,
)
from components.image_example_gen.source_decode import decode_source, notes_on
from components.image_example_gen.spans import ImageSource
from components.progress import DECODED, counted
from trainer import examples

FILES_PER_BATCH = 64
COUNTS = "counts"  # output: ((kind, name), number)
NOTES, REASONS = "notes", "reasons"  # kinds, beside names.ACCEPTED and names.REJECTED by span
Readers = tuple[ImageReader, ImageReader]  # of images, and of their sources


@dataclass(frozen=True)
class _Result:
    """An image that was decoded.

    Attributes:
        outcome: of its decoding.
        sha256: hash of the pixels; NO_HASH of a rejected file.
        use: its split, the name of its count, or REJECTED.
        example: empty if it is not used.
        look: perceptual hash of the pixels, or NO_LOOK.
    """

    outcome: Outcome
    sha256: bytes = NO_HASH
    use: str = names.REJECTED
    example: bytes = b""
    look: bytes = NO_LOOK


class DecodeParts(beam.DoFn):
    """Decodes parts; yields the names of their files.

    Further outputs are COUNTS, and names.REJECTED: (path, reason).

    Args:
        sources: what the parts are of. The images of the first one are counted by span.
        options: how each image is converted.
        split_salt: as in `example.split_of`.
        uses: the splits, names of counts, and REJECTED.
        partial: folder of the parts.
    """

    def __init__(
        self,
        sources: Sequence[ImageSource],
        options: ImageOptions,
        split_salt: str,
        uses: Sequence[str],
        partial: str,
    ) -> None:
        super().__init__()
        self._sources = sources
        self._options = options
        self._split_salt = split_salt
        self._uses = list(uses)
        self._partial = partial

    def setup(self) -> None:
        """Starts the threads, which cannot be pickled."""
        self._threads = ThreadPoolExecutor(DECODE_THREADS)

    def teardown(self) -> None:
        """Stops the threads."""
        self._threads.shutdown()

    def process(self, part: Part) -> Iterator[Any]:
        """Decodes the images of a part, and writes its file."""
        source = self._sources[part.source]
        members = part.members()
        results: list[tuple[Member, _Result]] = []
        with ImageReader(source.folder) as reader, ImageReader(source.sources) as source_reader:
            readers = (reader, source_reader)
            decode_file = functools.partial(self._decode, source=source, readers=readers)
            for first in range(0, len(members), FILES_PER_BATCH):
                batch = members[first : first + FILES_PER_BATCH]
                with counted(DECODED, len(batch)):
                    files = [member.file for member in batch]
                    results += zip(batch, self._threads.map(decode_file, files), strict=True)
        yield self._write(results)
        counts: Counter[tuple[str, str]] = Counter()
        for member, result in results:
            reason, notes = result.outcome
            counts.update((NOTES, note) for note in notes)
            if reason:
                counts[REASONS, reason] += 1
                yield beam.pvalue.TaggedOutput(names.REJECTED, (member.file.path, reason))
            if part.source == 0:
                kind = names.REJECTED if reason else names.ACCEPTED
                counts[kind, str(member.file.span)] += 1
        for count in counts.items():
            yield beam.pvalue.TaggedOutput(COUNTS, count)

    def _decode(self, file: ImageFile, source: ImageSource, readers: Readers) -> _Result:
        reader, source_reader = readers
        if file.problem:
            return _Result(Outcome(file.problem))
        before = None
        try:
            with reader.open(file) as stream:
                image = decode(stream, self._options)
                if not file.size:
                    file = replace(file, size=stream.seek(0, os.SEEK_END))
            if file.source:
                before = decode_source(file.source, source_reader, image, self._options)
        except RejectedImage as reason:
            return _Result(Outcome(str(reason)))
        except OSError as error:
            return _Result(Outcome(reasons.unreadable(error)))
        row = to_row(file, image, source, self._options, self._split_salt, before)
        example = b"" if row.split == IN_HOLDOUT else row.example
        sha256 = bytes.fromhex(row.sha256)
        look = look_of(image.pixels) if self._is_compared(file, source) else NO_LOOK
        return _Result(Outcome("", notes_on(image, before)), sha256, row.split, example, look=look)

    def _is_compared(self, file: ImageFile, source: ImageSource) -> bool:
        """Whether near-duplicates of an image are searched: nothing else decides its split."""
        if self._options.near_duplicates == "off":
            return False
        if source.split is not None:
            return source.split == examples.HOLDOUT
        return not matches_group(file.path_in_span, self._options)

    def _write(self, results: Sequence[tuple[Member, _Result]]) -> str:
        """Writes the file of a part, with examples in the order of hashes; returns its name."""
        ordered = sorted(results, key=lambda each: (each[1].sha256, each[0].order))
        outcomes: dict[Outcome, int] = {}
        rows, end = [], 0
        for member, result in ordered:
            # A later run must try again to read what could not be read.
            if member.file.problem or reasons.UNREADABLE in result.outcome.reason:
                continue
            size = len(result.example)
            use, key = self._uses.index(result.use), bytes.fromhex(member.key)
            outcome = outcomes.setdefault(result.outcome, len(outcomes))
            about = (0, end if size else 0, size, result.look, member.file.span)
            rows.append(Row(result.sha256, member.order, use, key, outcome, *about))
            end += size
        name = f"{uuid.uuid4().hex}{PART_SUFFIX}"
        write_rows(
            os.path.join(self._partial, name),
            self._partial,
            Rows(pack(rows), list(outcomes)),
            [result.example for _, result in ordered],
        )
        return name
