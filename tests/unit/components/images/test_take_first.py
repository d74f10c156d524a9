"""Which elements are kept does not depend on their order."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from components.real_features.take_first import TakeFirst

NAMES = [bytes([letter]) for letter in b"qwertyuiop"]


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("order", [1, -1])
def test_the_smallest_keys_are_kept(count, order):
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        names = pipeline | beam.Create(NAMES[::order])
        kept = (names, names) | TakeFirst(count, lambda name: name)
        assert_that(kept, equal_to(sorted(NAMES)[:count]))


def test_of_nothing_nothing_is_kept():
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        nothing = pipeline | beam.Create([])
        assert_that((nothing, nothing) | TakeFirst(3, lambda name: name), equal_to([]))
