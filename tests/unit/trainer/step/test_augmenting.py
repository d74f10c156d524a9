import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.augmentations import COUNT, LEVELS, describe
from trainer.step.augmenting import augment, draw_augmentations

SEED = tf.constant([3, 5], tf.int64)


def code(**degrees):
    """The code of transforms by degrees."""
    wanted = [degrees.get(name, 0) for name in LEVELS]
    (found,) = np.flatnonzero((np.asarray(describe(np.arange(COUNT))) == wanted).all(axis=1))
    return found


def dot(row, column, height=16, width=16):
    """An image, 1, of a white dot of one pixel on black."""
    image = np.zeros((1, height, width, 1), "float32")
    image[0, row, column] = 1.0
    return image


def center_of_mass(image):
    rows, columns = np.indices(image.shape[1:3])
    weights = np.asarray(image)[0, :, :, 0]
    return (rows * weights).sum() / weights.sum(), (columns * weights).sum() / weights.sum()


def test_each_transform_is_drawn_as_often_as_asked_for_in_all_its_degrees():
    degrees = np.asarray(describe(draw_augmentations(SEED, 20_000, True, 0.2)))
    assert (degrees != 0).mean(axis=0) == pytest.approx([0.5, 0.2, 0.2, 0.2, 0.2], abs=0.02)
    for column, levels in enumerate(LEVELS.values()):
        shares = np.unique(degrees[:, column][degrees[:, column] != 0], return_counts=True)[1]
        assert len(shares) == levels - 1
        assert shares / shares.sum() == pytest.approx([1 / len(shares)] * len(shares), abs=0.03)


def test_the_seed_determines_what_is_drawn():
    drawn = draw_augmentations(SEED, 100, True, 0.5)
    np.testing.assert_array_equal(drawn, draw_augmentations(SEED, 100, True, 0.5))
    assert np.any(drawn != draw_augmentations(SEED + 1, 100, True, 0.5))


@pytest.mark.parametrize(("flip", "share"), [(False, 0.0), (True, 0.0), (False, 0.5)])
def test_what_is_not_asked_for_is_not_drawn(flip, share):
    degrees = np.asarray(describe(draw_augmentations(SEED, 200, flip, share)))
    assert degrees[:, 0].any() == flip
    assert degrees[:, 1:].any() == bool(share)


@pytest.mark.parametrize("other", [0, code(rotation=1)])
def test_images_that_are_mirrored_or_stay_as_they_are_are_exact_whatever_others_are(other):
    image = np.random.default_rng(0).uniform(-1, 1, (3, 12, 8, 3)).astype("float32")
    found = augment(tf.constant(image), tf.constant([1, 0, other], tf.int64))
    np.testing.assert_array_equal(found[0], image[0, :, ::-1])
    np.testing.assert_array_equal(found[1], image[1])
    assert np.any(found[2] != image[2]) == bool(other)


@pytest.mark.parametrize(
    ("degrees", "row", "column"),
    [
        ({"right": 1}, 5, 8),  # by one sixteenth of 16 pixels
        ({"right": -2}, 5, 5),
        ({"down": 2}, 7, 7),
        ({"down": -1, "right": 2}, 4, 9),
        ({"mirrored": 1, "right": 2}, 5, 10),
        ({"zoom": 1}, 7.5 - 2.5 * 2**0.25, 7.5 - 0.5 * 2**0.25),
        ({"rotation": 1}, 7.5 - 2.5 * np.cos(0.2618) - 0.5 * np.sin(0.2618), None),
    ],
)
def test_a_transform_moves_what_is_in_the_image(degrees, row, column):
    moved = augment(tf.constant(dot(5, 7)), tf.constant([code(**degrees)]))
    found = center_of_mass(moved)
    assert found[0] == pytest.approx(row, abs=0.35)
    if column is not None:
        assert found[1] == pytest.approx(column, abs=0.35)


def test_a_rectangle_is_shifted_by_parts_of_its_sides_and_turned_around_its_center():
    wide = tf.constant(dot(7, 16, height=16, width=32))
    moved = augment(wide, tf.constant([code(right=1, down=1)]))
    assert center_of_mass(moved) == pytest.approx((8, 18), abs=0.01)
    turned = center_of_mass(augment(wide, tf.constant([code(rotation=1)])))
    assert turned == pytest.approx((7.5, 15.5), abs=1)


def test_rotations_are_in_both_directions():
    ahead, back = (
        center_of_mass(augment(tf.constant(dot(2, 8)), tf.constant([code(rotation=degree)])))
        for degree in (1, -1)
    )
    assert (ahead[1] - 7.5) * (back[1] - 7.5) < 0
    assert abs(ahead[1] - back[1]) > 2


def test_what_comes_into_view_is_a_reflection():
    ramp = np.tile(np.arange(16, dtype="float32"), (1, 16, 1))[..., None]
    moved = np.asarray(augment(tf.constant(ramp), tf.constant([code(right=2)])))[0, :, :, 0]
    np.testing.assert_allclose(moved[0, :5], [1, 0, 0, 1, 2], atol=1e-4)
