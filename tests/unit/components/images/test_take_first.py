"""Which elements are kept does not depend on their order."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from components.images.take_first import TakeFirst

NAMES = [bytes([letter]) for letter in b"qwertyuiop"]


@pytest.mark.parametrize(("count", "limit"), [(3, None), (100, None), (3, 2), (3, 9), (3, 0)])
@pytest.mark.parametrize("order", [1, -1])
def test_the_smallest_keys_are_kept(count, limit, order):
    expected = sorted(NAMES)[: count if limit is None else min(count, limit)]
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        side = None if limit is None else pipeline | "Limit" >> beam.Create([limit])
        names = pipeline | beam.Create(NAMES[::order])
        kept = (names, names) | TakeFirst(count, lambda name: name, side)
        assert_that(kept, equal_to(expected))


def test_of_nothing_nothing_is_kept():
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        nothing = pipeline | beam.Create([])
        assert_that((nothing, nothing) | TakeFirst(3, lambda name: name), equal_to([]))
