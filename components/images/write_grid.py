"""A Beam transform that writes the first images of a source as a PNG grid."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import ImageBatch
from trainer.common.image_grid import grid_png

GRID_SIDE = 10  # images per row, and rows

_KeyedImage = tuple[bytes, np.ndarray]


class WriteGrid(beam.PTransform):
    """Writes the first images of one source, by key; writes nothing without images.

    Args:
        source: of the images.
        path: of the PNG file.
        mark: as of `grid_png`, for images that a model drew.
    """

    def __init__(self, source: str, path: str, mark: str = "") -> None:
        super().__init__()
        self._source = source
        self._path = path
        self._mark = mark

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """From ImageBatches of all sources."""
        return (
            batches
            | "Select" >> beam.Filter(lambda batch, source: batch.source == source, self._source)
            | "Gather" >> beam.CombineGlobally(_First(GRID_SIDE**2)).without_defaults()
            | "Write" >> beam.Map(_write_grid, self._path, self._mark)
        )


class _First(beam.CombineFn):
    """ImageBatches to the `count` images with the smallest keys, sorted."""

    def __init__(self, count: int) -> None:
        self._count = count

    def create_accumulator(self) -> list[_KeyedImage]:
        return []

    def add_input(self, accumulator: list[_KeyedImage], batch: ImageBatch) -> list[_KeyedImage]:
        # A view would keep its whole batch in memory.
        images = [image.copy() for image in batch.images]
        return self._cut([*accumulator, *zip(batch.keys, images, strict=True)])

    def merge_accumulators(self, accumulators: Iterable[list[_KeyedImage]]) -> list[_KeyedImage]:
        return self._cut([pair for accumulator in accumulators for pair in accumulator])

    def extract_output(self, accumulator: list[_KeyedImage]) -> list[np.ndarray]:
        return [image for _, image in accumulator]

    def _cut(self, pairs: list[_KeyedImage]) -> list[_KeyedImage]:
        return sorted(pairs, key=lambda pair: pair[0])[: self._count]


def _write_grid(images: list[np.ndarray], path: str, mark: str) -> None:
    if images:
        with FileSystems.create(path, "image/png") as file:
            file.write(grid_png(np.stack(images), mark=mark))
