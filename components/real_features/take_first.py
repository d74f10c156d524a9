"""The first elements of a collection by key, without gathering the collection."""

from collections.abc import Callable
from typing import Any

import apache_beam as beam

from components.progress import expect


class TakeFirst(beam.PTransform):
    """Keeps the elements with the smallest keys.

    The choice does not depend on files or reading order, and changes little when the data grow.
    Only keys are gathered; they must be unique.
    """

    def __init__(
        self,
        count: int,
        key: Callable[[Any], bytes],
        work: str | None = None,
    ) -> None:
        """Describes the choice.

        Args:
            count: maximum number of elements to keep.
            key: returns the key of an element.
            work: a kind of work (components/progress.py), to whose total the kept elements are
                added before they are read.
        """
        super().__init__()
        self._count = count
        self._key = key
        self._work = work

    @beam.typehints.no_annotations  # Beam checks those of single collections only
    def expand(self, readings: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """From two collections of the same elements to some of them, in any order.

        Elements are kept only after all keys are known. Of a single collection, an in-process
        runner holds all elements until then: large ones are to be read twice.
        """
        all_elements, again = readings
        smallest = (
            all_elements
            | "Keys" >> beam.Map(self._key)
            | "Smallest" >> beam.combiners.Top.Smallest(self._count)
            | "Expect" >> beam.Map(_expect, self._work)
        )
        return again | "Keep" >> beam.Filter(
            lambda element, keys, key=self._key: bool(keys) and key(element) <= keys[-1],
            beam.pvalue.AsSingleton(smallest),
        )


def _expect(keys: list[bytes], work: str | None) -> list[bytes]:
    if work:
        expect(work, len(keys))
    return keys
