"""Held-out images of the kinds that a candidate leaves out."""

from collections.abc import Iterator, Mapping

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import DecodeRecords, ImageBatch
from components.images.records import example_key
from components.metrics.kinds import MAX_EXAMPLES
from components.sample_evaluator import sources
from trainer.common.image_grid import GAP_GRAY, grid_png

MAX_ROWS = 6


class WriteMissingKinds(beam.PTransform):
    """Writes a PNG grid with a row of held-out images for each missing kind, at most MAX_ROWS.

    Without a missing kind that has any, nothing is written.
    """

    def __init__(self, transform_graph: str, path: str) -> None:
        """Describes the picture.

        Args:
            transform_graph: URI of the TransformGraph artifact.
            path: of the PNG file.
        """
        super().__init__()
        self._transform_graph = transform_graph
        self._path = path

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From the one FoundKinds, and the serialized examples of all held-out images."""
        found, held_out = inputs
        rows = beam.pvalue.AsSingleton(
            found | "Rows" >> beam.Map(lambda kinds: kinds.examples[:MAX_ROWS])
        )
        return (
            held_out
            | "Pick" >> beam.FlatMap(_pick, rows)
            | "Decode" >> beam.ParDo(DecodeRecords(sources.REAL, self._transform_graph))
            | "Keyed" >> beam.FlatMap(_keyed)
            | "Gather" >> beam.combiners.ToDict().without_defaults()
            | "Write" >> beam.Map(_write, rows, self._path)
        )


def _pick(record: bytes, rows: list[list[bytes]]) -> Iterator[list[bytes]]:
    key = example_key(record)
    if any(key in row for row in rows):
        yield [record]


def _keyed(batch: ImageBatch) -> Iterator[tuple[bytes, np.ndarray]]:
    yield from zip(batch.keys, batch.images, strict=True)


def _write(images: Mapping[bytes, np.ndarray], rows: list[list[bytes]], path: str) -> None:
    if not rows:
        return
    shape = next(iter(images.values())).shape
    cells = np.full((len(rows), MAX_EXAMPLES, *shape), GAP_GRAY, np.uint8)
    for cell, row in zip(cells, rows, strict=True):
        cell[: len(row)] = [images[key] for key in row]
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(cells.reshape(-1, *shape), columns=MAX_EXAMPLES))
