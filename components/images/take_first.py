"""The first elements of a collection by key, without gathering the collection."""

from collections.abc import Callable
from typing import Any

import apache_beam as beam


class TakeFirst(beam.PTransform):
    """Keeps the elements with the smallest keys.

    The choice does not depend on files or reading order, and changes little when the data grow.
    Only keys are gathered; they must be unique.
    """

    def __init__(
        self, count: int, key: Callable[[Any], bytes], limit: beam.PCollection | None = None
    ) -> None:
        """Describes the choice.

        Args:
            count: maximum number of elements to keep.
            key: returns the key of an element.
            limit: a collection of one number, a second maximum.
        """
        super().__init__()
        self._count = count
        self._key = key
        self._limit = limit

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        """From elements to some of them, in any order."""
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
