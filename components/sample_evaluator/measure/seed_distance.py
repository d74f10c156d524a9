"""How far a student's images are from those that the baseline draws from the same seeds.

In a pipeline, the baseline is the student's teacher.
"""

import json
from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.images.batches import ImageBatch
from components.sample_evaluator import names, sources

_Images = tuple[bytes, np.ndarray]


class WriteSeedDistances(beam.PTransform):
    """Writes the distances of two models' images, seed by seed, and between different seeds.

    The models draw batches of the same seeds. An in-process runner keeps the images of both in
    memory.
    """

    def __init__(self, output: str) -> None:
        """Describes the file.

        Args:
            output: folder of the evaluation.
        """
        super().__init__()
        self._output = output

    def expand(self, batches: dict[str, beam.PCollection]) -> beam.PCollection:
        """From the ImageBatches of candidate and baseline, by source."""
        compared = (sources.CANDIDATE, sources.BASELINE)
        keyed = {name: batches[name] | f"Seeds[{name}]" >> beam.Map(_keyed) for name in compared}
        return (
            keyed
            | beam.CoGroupByKey()
            | "Distances" >> beam.FlatMapTuple(_distances)
            | "AllDistances" >> beam.combiners.ToList().without_defaults()
            | "WriteDistances" >> beam.Map(_write, self._output)
        )


def _keyed(batch: ImageBatch) -> _Images:
    return batch.keys[0], batch.images


def _distances(
    key: bytes, images: dict[str, Iterable[np.ndarray]]
) -> Iterator[tuple[bytes, np.ndarray, np.ndarray]]:
    """The distances in gray levels of the images of a batch, and of each to the next one's.

    In a batch of one image there is no next one, and no distance to it.
    """
    (candidate,), (baseline,) = images[sources.CANDIDATE], images[sources.BASELINE]
    a, b = (each.astype(np.float32) for each in (candidate, baseline))
    pixels = tuple(range(1, a.ndim))
    same = np.sqrt(np.mean((a - b) ** 2, axis=pixels))
    others = np.sqrt(np.mean((a - np.roll(b, 1, axis=0)) ** 2, axis=pixels))
    yield key, same, others if len(a) > 1 else others[:0]


def _write(found: list[tuple[bytes, np.ndarray, np.ndarray]], output: str) -> None:
    if not found:
        return
    same, others = (
        np.concatenate([each[i] for each in sorted(found, key=lambda each: each[0])])
        for i in (1, 2)
    )
    content = {
        "mean": float(same.mean()),
        "median": float(np.median(same)),
        "largest": float(same.max()),
        "other_seeds": float(others.mean()) if others.size else None,
        "by_seed": [round(float(each), 3) for each in same],
    }
    content["sentence"] = (
        f"an image is {content['mean']:.3g} gray levels (root mean square) from the one that the "
        f"baseline draws from the same seed, at most {content['largest']:.3g}"
    )
    if others.size:
        content["sentence"] += f", and {content['other_seeds']:.3g} from those of other seeds"
    with FileSystems.create(f"{output}/{names.SEED_DISTANCE_JSON}", "application/json") as file:
        file.write(json.dumps(content).encode())
