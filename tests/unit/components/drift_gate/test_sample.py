import numpy as np
import pytest

from components.drift_gate.sample import DescribedImage, Sample


def sample(*keys, features="pixels"):
    images = [
        DescribedImage(key.encode(), (float(ord(key)), 1, 2, 3, 4), (8, 8, 1), np.full(3, ord(key)))
        for key in keys
    ]
    return Sample.of(features, images)


def test_images_are_in_the_order_of_their_keys_whatever_order_they_come_in():
    found = sample("c", "a", "b")
    assert found.keys.tolist() == [b"a", b"b", b"c"]
    assert found.scalars[:, 0].tolist() == found.vectors[:, 0].tolist() == [97, 98, 99]


def test_a_sample_of_two_samples_holds_the_smallest_keys_of_both_once():
    merged = sample("b", "d", "e").merged(sample("a", "d", "c"), size=4)
    assert merged.keys.tolist() == [b"a", b"b", b"c", b"d"]
    assert merged.scalars[:, 0].tolist() == merged.vectors[:, 0].tolist() == [97, 98, 99, 100]


def test_it_makes_no_difference_which_of_two_samples_comes_first():
    one, other = sample("b", "d", "e"), sample("a", "d", "c")
    assert one.merged(other, 4).keys.tolist() == other.merged(one, 4).keys.tolist()


def test_a_sample_is_read_as_it_was_written(tmp_path):
    written = sample("a", "b")
    written.save(f"{tmp_path}/sample.npz")
    read = Sample.load(f"{tmp_path}/sample.npz")
    assert read.space == written.space
    for name in ("keys", "scalars", "vectors"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_a_file_with_pickled_objects_is_rejected(tmp_path):
    np.savez(tmp_path / "sample.npz", space=np.array(["x", None], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Sample.load(f"{tmp_path}/sample.npz")


def test_samples_of_other_features_or_image_sizes_are_of_other_spaces():
    assert sample("a").space == sample("b").space != sample("a", features="random_conv").space
