"""The images that are compared: chosen, drawn and shown the same way every time."""

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from evaluator_data import BEAM_ARGS, serialize

from components.sample_evaluator import images
from components.sample_evaluator.images import draw_noise
from components.sample_evaluator.sources import NOISE


@pytest.mark.parametrize("count", [5, 100])
def test_the_selected_records_do_not_depend_on_their_order(digits, count):
    records = [serialize(image) for image in digits[:30]]
    expected = sorted(records, key=images._key_by_hash)[:count]
    for order in (records, records[::-1]):
        with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
            selected = pipeline | beam.Create(order) | images.SelectRecords(count)
            assert_that(selected, equal_to([expected]))


def test_batches_cut_at_the_limit():
    assert list(images.batches(list("abcdefg"), 3, 5)) == [(0, list("abc")), (3, list("de"))]
    assert list(images.batches([], 3)) == []


def test_noise_depends_on_the_seed_alone():
    together = draw_noise((0, [3, 4, 5]), NOISE, (4, 4, 3)).images
    alone = draw_noise((0, [4]), NOISE, (4, 4, 3)).images
    np.testing.assert_array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])


def test_noise_is_a_clipped_standard_normal():
    pixels = draw_noise((0, list(range(100))), NOISE, (16, 16, 3)).images
    assert pixels.dtype == np.uint8
    tail = 0.158655  # of the standard normal beyond 1
    assert (pixels == 255).mean() == pytest.approx(tail, abs=0.01)
    assert (pixels == 0).mean() == pytest.approx(tail, abs=0.01)
    assert pixels.mean() == pytest.approx(127.5, abs=1)
