"""The nearest training image, found block by block."""

import dataclasses

import numpy as np
import pytest
from image_sets import image_set

from components.images.image_set import row_blocks
from components.sample_evaluator.measure.nearest import find_nearest


def queries(vectors):
    """Images with these vectors, and mirror images far from all."""
    vectors = np.asarray(vectors, np.float32)
    return image_set(vectors, views=np.stack([vectors, vectors + 99], axis=1))


def blocks(vectors, size=1024):
    """Training images with these vectors, in blocks, the last first."""
    images = image_set(vectors)
    found = [images.take(rows) for rows, _ in row_blocks(vectors, size)]
    return found[::-1]


@pytest.mark.parametrize("size", [1, 7, 1024])
def test_equals_the_double_loop_whatever_the_blocks(size):
    rng = np.random.default_rng(0)
    train, samples = rng.standard_normal((40, 5)), rng.standard_normal((9, 5))
    train[30] = train[4]  # of equal ones, the first key is named
    sets = {"candidate": queries(samples), "real": queries(train[30:31])}
    found = find_nearest(sets, iter(blocks(train, size)))
    known = image_set(train)
    for i, sample in enumerate(samples.astype(np.float32)):
        distances = np.linalg.norm(known.vectors - sample, axis=1)
        assert found["candidate"].nearest[i] == known.keys[distances.argmin()]
        assert found["candidate"].distances[i] == pytest.approx(distances.min(), rel=1e-5)
    assert not found["candidate"].mirrored.any()
    assert found["real"].nearest == [known.keys[4]]
    assert found["real"].distances == [0]


@pytest.mark.parametrize("size", [1, 1024])
def test_the_nearer_view_counts_and_of_equal_ones_the_one_not_mirrored(size):
    train, far = np.eye(4), np.full(4, 9.0)
    views = np.array([(far, train[1]), (train[3], far), (train[2], train[0])], np.float32)
    images = dataclasses.replace(queries([far, far, far]), views=views)
    found = find_nearest({"candidate": images}, blocks(train, size))["candidate"]
    keys = image_set(train).keys
    assert found.nearest == [keys[1], keys[3], keys[2]]
    assert found.mirrored.tolist() == [True, False, False]
    assert not found.distances.any()


def test_without_training_images_nothing_is_found():
    found = find_nearest({"candidate": queries(np.eye(3))}, [])["candidate"]
    assert len(found) == 3
    assert np.isnan(found.distances).all()
    assert not found.nearest
