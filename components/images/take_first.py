"""The first elements of a collection by their keys, without a list of all of them anywhere."""

from collections.abc import Callable
from typing import Any

import apache_beam as beam


class TakeFirst(beam.PTransform):
    """Keeps the elements with the smallest keys.

    Which ones depends neither on files nor on the order of reading, and changes little when the
    data grow. Only keys are gathered; they have to be unique.
    """

    def __init__(
        self, count: int, key: Callable[[Any], bytes], limit: beam.PCollection | None = None
    ) -> None:
        """Describes the choice.

        Args:
            count: elements to keep, at most.
            key: of an element.
            limit: one number, of which the elements kept may not be more either.
        """
        super().__init__()
        self._count = count
        self._key = key
        self._limit = limit

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        """From elements to some of them, in no order."""
        limit = self._limit or elements.pipeline | beam.Create([self._count])
        smallest = (
            elements
            | "Keys" >> beam.Map(self._key)
            | "Smallest" >> beam.combiners.Top.Smallest(self._count)
            | "Limit" >> beam.Map(lambda keys, n: keys[:n], beam.pvalue.AsSingleton(limit))
        )
        return elements | "Keep" >> beam.Filter(
            lambda element, keys, key=self._key: bool(keys) and key(element) <= keys[-1],
            beam.pvalue.AsSingleton(smallest),
        )
