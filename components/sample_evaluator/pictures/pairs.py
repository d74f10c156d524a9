"""Pictures of results beside their sources and the held-out images that they should be."""

from collections.abc import Iterator, Sequence

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import ImageBatch
from components.sample_evaluator.samples.translations import Answers, HeldOutFn, Seeded
from trainer.common.image_grid import grid_png

PAIRS = 3  # in each row: the best, those in the middle, the worst
ANSWERED_ROWS = 6


class WritePairs(beam.PTransform):
    """Writes a PNG grid of source, result and image: the best results, the median, the worst.

    Each row has up to PAIRS results with the source before and, of pairs, the image behind. They
    are ranked by PSNR, without pairs by seed, and drawn again from their seeds: all the others need
    not be kept. Without results, nothing is written.
    """

    def __init__(self, model: str, transform_graph: str, path: str, *, paired: bool = True) -> None:
        """Describes the picture.

        Args:
            model: folder of the SavedModel that drew the results.
            transform_graph: URI of the TransformGraph artifact.
            path: of the PNG file.
            paired: as of HeldOutFn.
        """
        super().__init__()
        self._draw = _DrawPairs(model, transform_graph, path, paired=paired)

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From ImageBatches of results with scores, and the seeded examples that they are of."""
        results, seeded = inputs
        rows = beam.pvalue.AsSingleton(
            results
            | "Scores" >> beam.FlatMap(_scores)
            | "Gather" >> beam.combiners.ToList()
            | "Rank" >> beam.Map(_rank)
        )
        return (
            seeded
            | "Shown" >> beam.FlatMap(_pick, rows)
            | "GatherShown" >> beam.combiners.ToList()
            | "Draw" >> beam.ParDo(self._draw, rows)
        )


def _scores(batch: ImageBatch) -> Iterator[tuple[float, int]]:
    values = batch.scores.psnr[:, 0] if batch.scores else np.zeros(len(batch.keys))
    for value, key in zip(values, batch.keys, strict=True):
        yield float(value), int.from_bytes(key)


def _rank(scores: list[tuple[float, int]]) -> list[list[int]]:
    """The seeds of the best results, of those in the middle and of the worst."""
    seeds = [seed for _, seed in sorted(scores, key=lambda pair: (-pair[0], pair[1]))]
    count = max(1, min(PAIRS, len(seeds) // 3))
    middle = (len(seeds) - count) // 2
    return [seeds[:count], seeds[middle : middle + count], seeds[-count:]] if seeds else []


def _pick(pair: Seeded, rows: Sequence[Sequence[int]]) -> Iterator[Seeded]:
    if any(pair[0] in row for row in rows):
        yield pair


class _DrawPairs(HeldOutFn):
    """The list of the seeded examples to show, and the rows of their seeds, to a file."""

    def __init__(self, model: str, transform_graph: str, path: str, *, paired: bool = True) -> None:
        super().__init__(model, transform_graph, paired=paired)
        self._path = path

    def process(self, batch: list[Seeded], rows: list[list[int]]) -> None:
        """Writes the file."""
        if not batch:
            return
        seeds, labels, images, sources = self.read(batch)
        results = self.sampler.sample(np.array(seeds, np.int64), labels, sources=sources)
        parts = [sources[..., : results.shape[-1]], results, *([] if images is None else [images])]
        shown = np.stack(parts, axis=1)
        cells = [shown[seeds.index(seed)] for row in rows for seed in row]
        columns = len(parts) * len(rows[0])
        with FileSystems.create(self._path, "image/png") as file:
            file.write(grid_png(np.concatenate(cells), columns, self.sampler.mark))


def write_answers(answers: Answers, path: str, mark: str) -> None:
    """Writes a PNG grid of the first sources: source, answers and any image; none for one answer.

    Args:
        answers: to the sources.
        path: of the PNG file.
        mark: as of `grid_png`.
    """
    if answers.results.shape[1] < 2:
        return
    _, _, images, sources, results = answers
    shown = [sources[:, None, ..., : results.shape[-1]], results]
    if images is not None:
        shown.append(images[:, None])
    cells = np.concatenate([each[:ANSWERED_ROWS] for each in shown], axis=1)
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(cells.reshape(-1, *cells.shape[2:]), cells.shape[1], mark))
