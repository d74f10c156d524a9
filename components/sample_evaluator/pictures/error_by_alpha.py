"""The error of a network by alpha: where between noise and images it deblends badly.

The error is the training loss (Heitz, Belcour, Chambon, arXiv 2305.03486, equation 8) on held-out
images, in equal parts of [0, 1]:

    x_alpha = (1 - alpha) x0 + alpha x1,   error = mean |d(x_alpha, alpha) - (x1 - x0)|^2

Noise and alpha depend on the seed and the key of the image only: they are equal for all models.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import DecodeRecords, ImageBatch
from components.images.records import example_key
from components.images.take_first import TakeFirst
from components.progress import ERRORS, counted
from components.sample_evaluator import sources
from components.sample_evaluator.samples.sampler import DEBLEND, load_sampler
from trainer import preprocessing

EDGES = np.linspace(0, 1, 11)  # of the parts of [0, 1]
IMAGES = 256  # maximum number of held-out images; this takes a few percent of the sampling time
BATCH = 64
CEILING_POINTS = 64  # values of alpha per part to average the ceiling over

_PIXELS = "pixels"


class WriteErrorByAlpha(beam.PTransform):
    """Writes the errors as JSON: `edges` [11], and by source, and as `ceiling`, errors [10].

    A model without the signature `deblend`, or with an answer that is not finite, has no errors
    (null). If the candidate is such a model, or if there are no images, nothing is written.
    """

    def __init__(
        self, models: Mapping[str, str], transform_graph: str, seed: int, path: str
    ) -> None:
        """Describes the measurement.

        Args:
            models: folders of sampler SavedModels by source (candidate, baseline).
            transform_graph: URI of the TransformGraph artifact.
            seed: of noise and alpha.
            path: of the JSON file.
        """
        super().__init__()
        self._models = models
        self._transform_graph = transform_graph
        self._seed = seed
        self._path = path

    @beam.typehints.no_annotations  # Beam checks those of single collections only
    def expand(self, held_out: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From the serialized examples of held-out images, read twice."""
        images = (
            held_out
            | "First" >> TakeFirst(IMAGES, key=example_key)
            | beam.BatchElements(min_batch_size=BATCH, max_batch_size=BATCH)
            | "Decode" >> beam.ParDo(DecodeRecords(sources.REAL, self._transform_graph))
        )
        sums = [
            images | f"Measure[{source}]" >> beam.ParDo(_MeasureErrors(source, model, self._seed))
            for source, model in self._models.items()
        ]
        return (
            [*sums, images | "Pixels" >> beam.Map(_sum_pixels)]
            | beam.Flatten()
            | "Sum" >> beam.CombinePerKey(beam.combiners.TupleCombineFn(sum, sum))
            | "Gather" >> beam.combiners.ToDict().without_defaults()
            | "Write" >> beam.Map(_write, self._path)
        )


def ceiling(variance: np.ndarray) -> list[float]:
    """The error of the best linear prediction of x1 - x0 from mean and variance of each pixel.

    With variance v of x1 and 1 of x0, the error is v / ((1 - alpha)^2 + alpha^2 v): v at alpha = 0,
    where x_alpha = x0, and 1 at alpha = 1, where x_alpha = x1.

    Args:
        variance: of each pixel over images in [-1, 1], any shape.

    Returns:
        For each part of [0, 1], the mean over pixels and alpha.
    """
    count = CEILING_POINTS * (len(EDGES) - 1)
    alpha = (np.arange(count) + 0.5)[:, None] / count
    errors = variance.ravel() / ((1 - alpha) ** 2 + alpha**2 * variance.ravel())
    return errors.reshape(len(EDGES) - 1, -1).mean(axis=1).tolist()


def _sum_pixels(batch: ImageBatch) -> tuple[str, tuple[int, np.ndarray]]:
    """The number of images, and sums of pixels and squared pixels, float64 [2, H, W, C]."""
    x1 = preprocessing.to_float(batch.images).numpy().astype(np.float64)
    return _PIXELS, (len(x1), np.stack([x1.sum(axis=0), (x1**2).sum(axis=0)]))


class _MeasureErrors(beam.DoFn):
    """An ImageBatch to (source, (number of images, sums of their errors, float64 [10]))."""

    def __init__(self, source: str, model: str, seed: int) -> None:
        self._source = source
        self._model = model
        self._seed = seed

    def setup(self) -> None:
        """Loads the model, once per process."""
        self._sampler = load_sampler(self._model)

    def process(self, batch: ImageBatch) -> Iterator[tuple[str, tuple[int, np.ndarray]]]:
        """Yields the sums; nothing if the model has no signature `deblend`."""
        if not self._sampler.has(DEBLEND):
            return
        with counted(ERRORS, len(batch.images)):
            sums = self._sum_errors(batch)
        yield self._source, (len(batch.images), sums)

    def _sum_errors(self, batch: ImageBatch) -> np.ndarray:
        x1 = preprocessing.to_float(batch.images).numpy()
        generators = [np.random.default_rng([self._seed, *key]) for key in batch.keys]
        sums = []
        for low, high in itertools.pairwise(EDGES):
            alpha = np.array([rng.uniform(low, high) for rng in generators], np.float32)
            x0 = np.stack([rng.standard_normal(x1.shape[1:], np.float32) for rng in generators])
            a = alpha[:, None, None, None]
            found = self._sampler.deblend((1 - a) * x0 + a * x1, alpha, batch.labels)
            squares = (found - (x1 - x0)).astype(np.float64) ** 2
            sums.append(squares.mean(axis=(1, 2, 3)).sum())
        return np.array(sums)


def _write(sums: Mapping[str, tuple[int, np.ndarray]], path: str) -> None:
    finite = {source: each for source, each in sums.items() if np.all(np.isfinite(each[1]))}
    if sources.CANDIDATE not in finite:
        return
    count, (total, squares) = sums[_PIXELS]
    content: dict[str, Any] = {
        "edges": EDGES.tolist(),
        "images": count,
        "ceiling": ceiling(squares / count - (total / count) ** 2),
    }
    for source in (sources.CANDIDATE, sources.BASELINE):
        found = finite.get(source)
        content[source] = found and (found[1] / found[0]).tolist()
    with FileSystems.create(path, "application/json") as file:
        file.write(json.dumps(content, allow_nan=False).encode())
