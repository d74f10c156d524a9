"""The kinds that an evaluation finds are those of the pure function."""

import numpy as np
import pytest
from image_sets import image_set

from components.metrics.kinds import Kinds, class_shares
from components.sample_evaluator.measure.kinds import find_kinds


def make_images(held_out="abc"):
    """Training images, held-out ones and samples of the classes a, b and c; samples lack c."""
    rng = np.random.default_rng(0)
    sets = []
    for count, classes in ((240, "abc"), (120, held_out), (120, "ab")):
        labels = [classes[i % len(classes)] for i in range(count)]
        centers = 9 * np.eye(4)[["abc".index(label) for label in labels]]
        sets.append(image_set(rng.standard_normal((count, 4)) + centers, labels=labels))
    return sets


def test_are_those_of_the_pure_function_with_the_keys_of_what_is_missing():
    train, real, candidate = make_images()
    expected = class_shares(
        train.vectors, train.labels, real.vectors, real.labels, candidate.vectors
    )
    assert [kind.missing for kind in expected.kinds] == [False, False, True]
    found = find_kinds(train, real, candidate)
    assert found.kinds == expected
    assert found.examples == [[i.to_bytes(2, "big") for i in range(2, 24, 3)]]  # of class c


@pytest.mark.parametrize("known", [(), ("a", "b")])
def test_how_far_labels_are_followed_is_that_of_the_labels_that_the_candidate_knows(known):
    followed = find_kinds(*make_images(), known).kinds.followed
    assert followed == (pytest.approx(1, abs=0.3) if known else None)


def test_a_missing_kind_without_held_out_images_is_reported_and_has_no_row_of_them():
    unlabeled = [image_set(images.vectors) for images in make_images(held_out="ab")]
    found = find_kinds(*unlabeled)
    held_out = [kind.held_out for kind in found.kinds.kinds if kind.missing]
    assert len(held_out) > 0 == sum(held_out)
    assert found.examples == []


def test_without_enough_images_there_is_a_reason():
    train, real, candidate = make_images()
    few = real.take(slice(99))
    for images, reason in (
        ((train, real, None), "there are no images of candidate"),
        ((train, few, candidate), "99 held-out images are too few for kinds: 100 are needed"),
    ):
        assert find_kinds(*images) == (Kinds(unavailable=reason), [])
