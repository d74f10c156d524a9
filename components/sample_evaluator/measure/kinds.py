"""Kinds of images: which of them the candidate leaves out, in a Beam step beside TFMA's metrics.

TFMA knows a number or text by a name that is known before; kinds are found in the data.
"""

import json
from collections.abc import Collection
from typing import NamedTuple

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from tfx.dsl.io import fileio

from components.metrics.arrays import MetricError
from components.metrics.kinds import Kind, Kinds, class_shares
from components.sample_evaluator import names, sources
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageSet
from trainer.common.progress import phase

_NEEDED = (sources.TRAIN, sources.REAL, sources.CANDIDATE)


class FoundKinds(NamedTuple):
    """The kinds, and held-out images of those that are missing.

    Attributes:
        kinds: of the images.
        examples: by missing kind in the order of `kinds`, the keys of held-out images; without the
            kinds that have none, as gaps that only training images show.
    """

    kinds: Kinds
    examples: list[list[bytes]]


class FindKinds(beam.PTransform):
    """Compares the candidate's samples with held-out images, by kinds of training images."""

    def __init__(self, known: Collection[str] = ()) -> None:
        """Says what samples were asked for.

        Args:
            known: labels of the candidate, which draws samples with any other label without one.
        """
        super().__init__()
        self._known = known

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """From ImageFeatures of the sources train, real and candidate to one FoundKinds."""
        return (
            images
            | "Needed" >> beam.Filter(lambda image: image.source in _NEEDED)
            | "Gather" >> beam.CombineGlobally(GatherFeatures())
            | "Find" >> beam.Map(find_kinds, self._known)
        )


def find_kinds(sets: dict[str, ImageSet], known: Collection[str] = ()) -> FoundKinds:
    """Finds the kinds of images; those of the samples are estimated from pixels, not requests.

    Args:
        sets: images by source.
        known: labels of the candidate, as of `FindKinds`.
    """
    for source in _NEEDED:
        if source not in sets:
            return FoundKinds(Kinds(unavailable=f"there are no images of {source}"), [])
    train, real, candidate = (sets[source] for source in _NEEDED)
    try:
        with phase("kinds of images"):
            kinds = class_shares(
                train.vectors,
                train.labels,
                real.vectors,
                real.labels,
                candidate.vectors,
                [label if label in known else "" for label in candidate.labels],
            )
    except MetricError as error:
        return FoundKinds(Kinds(unavailable=str(error)), [])
    shown = [kind.examples for kind in kinds.kinds if kind.missing and kind.examples]
    return FoundKinds(kinds, [[real.keys[i] for i in examples] for examples in shown])


def write_kinds(found: FoundKinds, output: str) -> None:
    """Writes the kinds into the folder of an evaluation."""
    with FileSystems.create(f"{output}/{names.KINDS_JSON}", "application/json") as file:
        kinds = [kind._asdict() for kind in found.kinds.kinds]
        file.write(json.dumps({**found.kinds._asdict(), "kinds": kinds}, indent=2).encode())


def load_kinds(output: str) -> Kinds | None:
    """Reads what `write_kinds` wrote; None if there is nothing."""
    path = f"{output}/{names.KINDS_JSON}"
    if not fileio.exists(path):
        return None
    with fileio.open(path) as file:
        content = json.load(file)
    kinds = (Kind(**{**kind, "examples": tuple(kind["examples"])}) for kind in content["kinds"])
    return Kinds(**{**content, "kinds": tuple(kinds)})
