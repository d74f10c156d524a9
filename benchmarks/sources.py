"""Listing and reading the same images from a folder, a tar and a Parquet file, without decoding."""

import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest import write_jpegs
from benchmarks.measure import Figure
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.reading import ImageReader

IMAGES, ROWS, ROUNDS = 5_000, 100, 3  # the best round counts


def figures() -> Iterator[Figure]:
    """Makes the images and reads them in order, in one thread, from the page cache."""
    with tempfile.TemporaryDirectory() as root:
        for name in ("folder", "tar", "parquet"):
            Path(root, name).mkdir()
        files = sorted(Path(write_jpegs(Path(root, "folder", "images"), IMAGES)).iterdir())
        with tarfile.open(Path(root, "tar", "images.tar"), "w") as tar:
            for file in files:
                tar.add(file, file.name)
        table = pa.table({"image": [{"bytes": file.read_bytes()} for file in files]})
        pq.write_table(table, Path(root, "parquet", "images.parquet"), row_group_size=ROWS)
        for name in ("folder", "tar", "parquet"):
            rounds = [_measure(str(Path(root, name))) for _ in range(ROUNDS)]
            listed, read = map(min, zip(*rounds, strict=True))
            yield Figure(f"sources: {name}, listed", IMAGES / listed, "images/s")
            yield Figure(f"sources: {name}, read", IMAGES / read, "images/s")


def _measure(folder: str) -> tuple[float, float]:
    """Seconds to list and to read all images."""
    started = time.monotonic()
    files = list_folder(folder).images
    listed = time.monotonic()
    with ImageReader(folder) as reader:
        for file in files:
            with reader.open(file) as stream:
                stream.read()
    return listed - started, time.monotonic() - listed
