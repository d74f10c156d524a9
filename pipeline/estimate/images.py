"""The images that a run will read, and what converting a few of them takes."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from components.image_example_gen.errors import ImageDataError, RejectedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.image_file.decode import DECODE_THREADS, decode
from components.image_example_gen.pairs.decoding import decode_source
from components.image_example_gen.reading import ImageReader
from components.image_example_gen.spans import (
    ImageSource,
    holdout_source,
    unpaired_sources,
)
from components.image_example_gen.storage.remote import needs_tfx
from components.image_example_gen.windows import find_windows
from pipeline.config.sections import DataConfig
from trainer.common.text import shorten

SAMPLE = 64  # images
MAX_SECONDS = 3.0  # for them; photographs of many megapixels take long


@dataclass(frozen=True)
class Listed:
    """Files of one source.

    Attributes:
        source: where they are and which split they are for.
        files: sorted by path; without sizes and times if each would cost a request.
    """

    source: ImageSource
    files: Sequence[ImageFile]


@dataclass(frozen=True)
class Sample:
    """What converting some of the images gave.

    Attributes:
        images: uint8 [N, H, W, C], those that were accepted, at least one.
        labels: the class of each; may be empty.
        seconds: per file, with as many threads as a run uses; without reading from archives.
        file_bytes: mean size of a file.
        example_bytes: mean size of the example of an image.
        accepted: share of the files.
    """

    images: np.ndarray
    labels: Sequence[str]
    seconds: float
    file_bytes: float
    example_bytes: float
    accepted: float


class NoSampleError(ImageDataError):
    """None of the sampled files is an image that a run would accept."""


def list_files(data: DataConfig) -> list[Listed]:
    """Lists the files of the windows, of images and of unpaired sources, and those held out.

    Raises:
        ImageDataError: a folder is missing or unreadable, or has no images.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    windows = find_windows(data.folder, data, data.span, data.unpaired_source)
    sources = [ImageSource(data.folder, windows.images, sources=data.paired_source or "")]
    if data.holdout:
        sources.append(holdout_source(data.holdout, data.holdout_source or ""))
    if data.unpaired_source:
        sources.append(unpaired_sources(data.unpaired_source, data.folder, windows.sources))
    return [Listed(source, source.list_files(names_only=True)) for source in sources]


def has_sizes(source: ImageSource) -> bool:
    """Whether the files of a source are listed with sizes and times."""
    folders = (os.path.join(source.folder, source.window[0].folder), source.sources)
    return not any(map(needs_tfx, folders))


def take_sample(
    listed: Listed, data: DataConfig, count: int = SAMPLE, seconds: float = MAX_SECONDS
) -> Sample:
    """Converts files that are spread over the list, as ImageExampleGen would.

    Args:
        listed: at least one file.
        data: how they are converted.
        count: how many files at most.
        seconds: after which no more files are begun.

    Raises:
        NoSampleError: none of them would be accepted.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    # Its import takes seconds.
    from components.image_example_gen.example import to_row

    problems: list[str] = []

    def read(file: ImageFile) -> BinaryIO | None:
        try:
            if file.problem:
                raise RejectedImage(file.problem)
            return reader.open(file)
        except (RejectedImage, OSError) as reason:
            problems.append(f"{shorten(file.path)!r} ({reason})")
            return None

    def convert(
        file: ImageFile, content: BinaryIO | None
    ) -> tuple[np.ndarray, str, int, int] | None:
        if content is None and (file.archive or (content := read(file)) is None):
            return None
        try:
            with content:
                image = decode(content, data)
                size = content.seek(0, os.SEEK_END)
            before = None
            if file.source:
                before = decode_source(file.source, source_reader, image, data)
        except (RejectedImage, OSError) as reason:
            problems.append(f"{shorten(file.path)!r} ({reason})")
            return None
        row = to_row(file, image, listed.source, data, before=before)
        return image.pixels, file.class_label, len(row.example), size

    quick = [file for file in listed.files if file.quick]
    count = min(count, len(quick))
    chosen = [quick[i * len(quick) // count] for i in range(count)]
    found, files, taken = [], 0, 0.0
    with (
        ImageReader(listed.source.folder) as reader,
        ImageReader(listed.source.sources) as source_reader,
        ThreadPoolExecutor(DECODE_THREADS) as threads,
    ):
        convert(chosen[0], read(chosen[0]))  # the first one also loads Pillow's decoders
        begun = time.monotonic()
        for part in (chosen[i::4] for i in range(min(4, count))):
            # A run reads archives in order and each block once, in little time.
            contents = [read(file) if file.archive else None for file in part]
            started = time.monotonic()
            found += threads.map(convert, part, contents)
            taken += time.monotonic() - started
            files += len(part)
            if time.monotonic() - begun > seconds:
                break
    accepted = [each for each in found if each is not None]
    if not accepted:
        example = f", such as {problems[0]}" if problems else ""
        raise NoSampleError(
            f"{data.folder}: none of {files:,} sampled files would be accepted{example}"
        )
    images, labels, example_bytes, file_bytes = zip(*accepted, strict=True)
    return Sample(
        images=np.stack(images),
        labels=labels,
        seconds=taken / files,
        file_bytes=float(np.mean(file_bytes)),
        example_bytes=float(np.mean(example_bytes)),
        accepted=len(accepted) / files,
    )


def count_used(listed: Listed, data: DataConfig) -> float:
    """The number of files whose images become examples: of older spans, `older_share`."""
    if listed.source.split is not None:
        return len(listed.files)
    newest = listed.source.window[-1].number
    older = sum(file.span < newest for file in listed.files)
    return len(listed.files) - older + data.older_share * older


def count_classes(listed: Listed) -> int:
    """The number of labels."""
    return len({file.class_label for file in listed.files if not file.problem} - {""})
