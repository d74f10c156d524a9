"""A Beam transform that writes the first held-out images as a PNG grid."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.image_set import Images
from trainer.common.image_grid import GRID_SIDE, grid_png

_KeyedImage = tuple[bytes, np.ndarray]


class WriteGrid(beam.PTransform):
    """Writes the first images, by key; writes nothing without images."""

    def __init__(self, path: str) -> None:
        """Describes the picture; `path` is that of the PNG file."""
        super().__init__()
        self._path = path

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """From batches of Images."""
        return (
            batches
            | "Gather" >> beam.CombineGlobally(_First(GRID_SIDE**2)).without_defaults()
            | "Write" >> beam.Map(_write_grid, self._path)
        )


class _First(beam.CombineFn):
    """Batches of Images to the `count` images with the smallest keys, sorted."""

    def __init__(self, count: int) -> None:
        self._count = count

    def create_accumulator(self) -> list[_KeyedImage]:
        return []

    def add_input(self, accumulator: list[_KeyedImage], batch: Images) -> list[_KeyedImage]:
        # A view would keep its whole batch in memory.
        images = [image.copy() for image in batch.pixels]
        return self._cut([*accumulator, *zip(batch.keys, images, strict=True)])

    def merge_accumulators(self, accumulators: Iterable[list[_KeyedImage]]) -> list[_KeyedImage]:
        return self._cut([pair for accumulator in accumulators for pair in accumulator])

    def extract_output(self, accumulator: list[_KeyedImage]) -> list[np.ndarray]:
        return [image for _, image in accumulator]

    def _cut(self, pairs: list[_KeyedImage]) -> list[_KeyedImage]:
        return sorted(pairs, key=lambda pair: pair[0])[: self._count]


def _write_grid(images: list[np.ndarray], path: str) -> None:
    if images:
        with FileSystems.create(path, "image/png") as file:
            file.write(grid_png(np.stack(images)))
