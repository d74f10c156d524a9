"""The picture shows held-out images of each missing kind, one row per kind."""

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, open_png, serialize

from components.images.records import example_key
from components.metrics.kinds import MAX_EXAMPLES, Kinds
from components.sample_evaluator.measure.kinds import FoundKinds
from components.sample_evaluator.pictures.missing_kinds import MAX_ROWS, WriteMissingKinds
from trainer.common.image_grid import GAP_GRAY, image_grid


@pytest.fixture
def write(transform_graph, tmp_path):
    """Writes the picture of rows of held-out images; returns it, None without one."""

    def run(images, rows):
        records = [serialize(image) for image in images]
        keys = [[example_key(records[i]) for i in row] for row in rows]
        path = tmp_path / "kinds.png"
        with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
            found = pipeline | "Kinds" >> beam.Create([FoundKinds(Kinds("cluster"), keys)])
            held_out = pipeline | "Records" >> beam.Create(records)
            _ = (found, held_out) | WriteMissingKinds(transform_graph, str(path))
        return open_png(path) if path.exists() else None

    return run


def test_each_kind_has_a_row_in_the_order_of_its_examples(write, digits):
    images = digits[:60]
    empty = np.full_like(images[:1], GAP_GRAY)
    shown = [images[[5, 3, 8]], *[empty] * (MAX_EXAMPLES - 3), images[20 : 20 + MAX_EXAMPLES]]
    expected = image_grid(np.concatenate(shown), columns=MAX_EXAMPLES).squeeze()
    found = write(images, [[5, 3, 8], range(20, 20 + MAX_EXAMPLES)])
    np.testing.assert_array_equal(found, expected)


def test_there_are_no_more_rows_than_fit(write, digits):
    rows = [[i] * MAX_EXAMPLES for i in range(MAX_ROWS + 2)]
    expected = image_grid(digits[:MAX_ROWS].repeat(MAX_EXAMPLES, axis=0), columns=MAX_EXAMPLES)
    np.testing.assert_array_equal(write(digits[:60], rows), expected.squeeze())


def test_without_a_missing_kind_there_is_no_picture(write, digits):
    assert write(digits[:10], []) is None
