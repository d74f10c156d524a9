import numpy as np
import pytest

from trainer.common.image_grid import GAP_GRAY, columns_of_classes, image_grid


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_shown_once_in_rows_and_the_rest_is_gap(channels):
    images = np.stack([np.full((80, 80, channels), 10 * i, np.uint8) for i in range(5)])
    grid = image_grid(images)
    gap = 5
    assert grid.shape == (2 * 85 + gap, 3 * 85 + gap, channels)
    centers = grid[45::85, 45::85, 0]
    assert centers.tolist() == [[0, 10, 20], [30, 40, GAP_GRAY]]
    assert np.all(grid[:gap] == GAP_GRAY)
    assert np.all(grid[:, -gap:] == GAP_GRAY)


def test_small_images_are_enlarged_by_a_whole_factor():
    images = np.random.default_rng(0).integers(0, 256, (2, 10, 10, 1), np.uint8)
    grid = image_grid(images)
    np.testing.assert_array_equal(grid[3:63:6, 3:63:6, 0], images[0, :, :, 0])


def test_around_a_single_image_there_is_no_gap():
    image = np.random.default_rng(0).integers(0, 256, (1, 10, 10, 1), np.uint8)
    np.testing.assert_array_equal(image_grid(image)[::6, ::6], image[0])
    large = np.zeros((1, 80, 90, 3), np.uint8)
    np.testing.assert_array_equal(image_grid(large), large[0])


@pytest.mark.parametrize("sides", [(10, 20), (20, 10)])
def test_rectangles_keep_their_shape(sides):
    image = np.random.default_rng(0).integers(0, 256, (1, *sides, 1), np.uint8)
    grid = image_grid(image)
    assert grid.shape == (3 * sides[0], 3 * sides[1], 1)
    np.testing.assert_array_equal(grid[::3, ::3], image[0])


def test_a_row_has_the_requested_number_of_images():
    images = np.stack([np.full((80, 80, 1), 10 * i, np.uint8) for i in range(6)])
    centers = image_grid(images, columns=2)[45::85, 45::85, 0]
    assert centers.tolist() == [[0, 10], [20, 30], [40, 50]]


@pytest.mark.parametrize(
    ("count", "classes", "columns"),
    [
        (64, 2, 8),
        (64, 3, 9),
        (64, 9, 9),
        (17, 16, 16),
        (16, 16, None),
        (1000, 10, 30),
        (64, 17, None),
        (64, 1, None),
        (64, 0, None),
    ],
)
def test_each_column_of_a_grid_has_one_class_where_there_are_few(count, classes, columns):
    assert columns_of_classes(count, classes) == columns
