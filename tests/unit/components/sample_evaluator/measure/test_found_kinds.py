"""The kinds that an evaluation finds are those of the pure function, and survive their file."""

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that
from evaluator_data import BEAM_ARGS

from components.images.features import ImageFeatures
from components.metrics.kinds import Kinds, class_shares
from components.sample_evaluator.measure.kinds import (
    FindKinds,
    FoundKinds,
    load_kinds,
    write_kinds,
)
from components.sample_evaluator.sources import BASELINE, CANDIDATE, REAL, TRAIN

COUNTS = {TRAIN: 240, REAL: 120, CANDIDATE: 120, BASELINE: 5}


def make_images(missing="c", held_out="abc"):
    """Images of the classes a, b and c, of which samples have all but one."""
    rng = np.random.default_rng(0)
    images = []
    for source, count in COUNTS.items():
        drawn = {CANDIDATE: "abc".replace(missing, ""), REAL: held_out}.get(source, "abc")
        for i in range(count):
            label = drawn[i % len(drawn)]
            vector = rng.standard_normal(4) + 9 * np.eye(4)["abc".index(label)]
            images.append(
                ImageFeatures(
                    source, i.to_bytes(2, "big"), label, False, b"", vector.astype(np.float32)
                )
            )
    return images


def find(images, check, known=()):
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        assert_that(pipeline | beam.Create(images) | FindKinds(known), check)


def arrays(images, source):
    images = [image for image in images if image.source == source]
    return np.stack([image.vector for image in images]), [image.label for image in images]


def test_are_those_of_the_pure_function_in_any_order(tmp_path):
    images = make_images()
    (samples, _) = arrays(images, CANDIDATE)
    expected = class_shares(*arrays(images, TRAIN), *arrays(images, REAL), samples)
    assert [kind.missing for kind in expected.kinds] == [False, False, True]

    def check(found):
        [(kinds, [keys])] = found
        assert kinds == expected
        assert keys == [i.to_bytes(2, "big") for i in range(2, 24, 3)]  # of class c
        write_kinds(FoundKinds(kinds, [keys]), str(tmp_path))

    shuffled = [images[i] for i in np.random.default_rng(1).permutation(len(images))]
    find(shuffled, check)
    assert load_kinds(str(tmp_path)) == expected


@pytest.mark.parametrize("known", [(), ("a", "b")])
def test_how_far_labels_are_followed_is_that_of_the_labels_that_the_candidate_knows(known):
    def check(found):
        [(kinds, _)] = found
        assert kinds.followed == (pytest.approx(1, abs=0.3) if known else None)

    find(make_images(), check, known)


def test_a_missing_kind_without_held_out_images_is_reported_and_has_no_row_of_them():
    def check(found):
        [(kinds, rows)] = found
        held_out = [kind.held_out for kind in kinds.kinds if kind.missing]
        assert len(held_out) > 0 == sum(held_out)
        assert rows == []

    find([image._replace(label="") for image in make_images(held_out="ab")], check)


@pytest.mark.parametrize(
    ("source", "kept", "reason"),
    [
        (CANDIDATE, 0, "there are no images of candidate"),
        (REAL, 0, "there are no images of real"),
        (REAL, 99, "99 held-out images are too few for kinds: 100 are needed"),
    ],
)
def test_without_enough_images_there_is_a_reason(tmp_path, source, kept, reason):
    images = make_images()
    others = [image for image in images if image.source != source]
    some = [image for image in images if image.source == source][:kept]

    def check(found):
        assert found == [(Kinds(unavailable=reason), [])]
        write_kinds(found[0], str(tmp_path))

    find(others + some, check)
    assert load_kinds(str(tmp_path)) == Kinds(unavailable=reason)


def test_where_nothing_was_written_there_are_no_kinds(tmp_path):
    assert load_kinds(str(tmp_path)) is None
