"""The mean image in a few cells."""

import numpy as np
import pytest

from components.metrics.arrays import MetricError
from components.metrics.image_statistics import layout_distance, layout_of, statistics_of


def draw(shape, count=20):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def layout(images):
    return statistics_of(images).layout


def test_a_cell_is_the_mean_of_its_pixels():
    [image] = draw((8, 12, 3), 1)
    expected = [
        image[2 * i : 2 * i + 2, 3 * j : 3 * j + 3, c].mean()
        for i in range(4)
        for j in range(4)
        for c in range(3)
    ]
    np.testing.assert_allclose(layout_of(image), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 7, 1), (9, 31, 3), (5, 6, 1)])
def test_each_pixel_is_in_one_cell_of_a_side_that_is_no_multiple_of_four(shape):
    [image] = draw(shape, 1)
    rows, columns = (np.diff([i * side // 4 for i in range(5)]) for side in shape[:2])
    assert set(np.r_[rows, columns]) <= {
        shape[0] // 4,
        shape[0] // 4 + 1,
        shape[1] // 4,
        shape[1] // 4 + 1,
    }
    cells = layout_of(image).reshape(4, 4, -1)
    total = (cells * np.multiply.outer(rows, columns)[..., None]).sum()
    assert total == pytest.approx(image.sum(), rel=1e-6)


@pytest.mark.parametrize(("shape", "count"), [((1, 1, 1), 1), ((3, 8, 3), 36), ((2, 2, 1), 4)])
def test_a_small_image_has_fewer_cells(shape, count):
    [image] = draw(shape, 1)
    found = layout_of(image)
    assert len(found) == count
    if max(shape[:2]) < 4:
        np.testing.assert_array_equal(found, image.ravel())


def test_images_that_are_upside_down_differ_by_their_gradient():
    ramp = (np.arange(8) * 30).astype(np.uint8)[:, None, None].repeat(8, axis=1)
    images = np.stack([ramp, ramp])
    bands = np.array([15, 75, 135, 195])
    expected = np.sqrt(np.mean((bands - bands[::-1]) ** 2))
    assert layout_distance(layout(images), layout(images[:, ::-1])) == pytest.approx(expected)
    assert layout_distance(layout(images), layout(images[:, :, ::-1])) == 0


def test_equal_sets_have_no_distance():
    images = draw((16, 16, 3))
    assert layout_distance(layout(images), layout(images)) == 0


def test_layouts_of_different_sizes_cannot_be_compared():
    with pytest.raises(MetricError, match="real features have 48 dimensions, generated ones 16"):
        layout_distance(layout(draw((8, 8, 3))), layout(draw((8, 8, 1))))
    with pytest.raises(MetricError, match="hold NaN"):
        layout_distance(np.full((2, 16), np.inf), np.zeros((2, 16)))
