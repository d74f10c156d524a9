"""The images that a run will read, and what converting a few of them takes."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from components.image_example_gen.decode import RejectedImage, decode
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import ImageFile, list_folder, open_image
from components.image_example_gen.spans import (
    ImageSource,
    choose_window,
    holdout_source,
    list_spans,
)
from pipeline.config import DataConfig

SAMPLE = 64  # images
MAX_SECONDS = 3.0  # for them; photographs of many megapixels take long
THREADS = min(4, os.cpu_count() or 1)  # as many as ImageExampleGen decodes with


@dataclass(frozen=True)
class Listed:
    """Files of one source.

    Attributes:
        source: where they are and which split they are for.
        files: sorted by path; without sizes if they are remote.
    """

    source: ImageSource
    files: Sequence[ImageFile]


@dataclass(frozen=True)
class Sample:
    """What converting some of the images gave.

    Attributes:
        images: uint8 [N, H, W, C], those that were accepted, at least one.
        labels: the class of each; may be empty.
        seconds: per file, with as many threads as a run uses.
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
    """Lists the files of the window, and those of the held-out folder if there is one.

    Raises:
        ImageDataError: a folder is missing or unreadable, or has no images.
    """
    spans = list_spans(data.folder, data.pattern)
    window = tuple(choose_window(spans, data.span, data.window, data.exclude))
    sources = [ImageSource(data.folder, window)]
    if data.holdout:
        sources.append(holdout_source(data.holdout))
    return [
        Listed(source, [*_names(source)] if is_remote(source) else source.list_files())
        for source in sources
    ]


def is_remote(source: ImageSource) -> bool:
    """Whether the files of a source are behind a URI, and are listed without sizes."""
    return "://" in os.path.join(source.folder, source.window[0].folder)


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
    """
    # Their imports take seconds.
    import tensorflow as tf

    from components.image_example_gen.example import class_label, to_row

    def convert(file: ImageFile) -> tuple[np.ndarray, str, int, int] | None:
        if file.problem:
            return None
        try:
            with open_image(listed.source.folder, file.path) as stream:
                image = decode(stream, data)
                stream.seek(0, os.SEEK_END)
                size = stream.tell()
        except (RejectedImage, OSError, tf.errors.OpError):  # the last one from remote folders
            return None
        row = to_row(file, image, listed.source, data)
        return image.pixels, class_label(file.path_in_span), len(row.example), size

    count = min(count, len(listed.files))
    chosen = [listed.files[i * len(listed.files) // count] for i in range(count)]
    convert(chosen[0])  # the first one also loads Pillow's decoders
    found, files, begun = [], 0, time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        for part in (chosen[i::4] for i in range(min(4, count))):
            found += threads.map(convert, part)
            files += len(part)
            if time.monotonic() - begun > seconds:
                break
    taken = time.monotonic() - begun
    accepted = [each for each in found if each is not None]
    if not accepted:
        raise NoSampleError(f"{data.folder}: none of {files:,} sampled files would be accepted")
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
    """The number of first-level folders with images in a span."""
    firsts = {file.path_in_span.partition("/") for file in listed.files}
    return len({first for first, slash, _ in firsts if slash})


def _names(source: ImageSource) -> Iterator[ImageFile]:
    """The files of a remote source without their sizes, each of which would cost a request."""
    for span in source.window:
        folder = os.path.join(source.folder, span.folder).rstrip("/")
        required = span is source.window[-1]
        yield from list_folder(
            folder, required=required, names_only=True, span=span.number, below=span.folder
        ).images
