"""Samples, and the differences between them, whatever their distribution."""

import numpy as np
import pytest

from components.drift_gate.drift import FEATURES, SCALARS, Sample, judge
from components.drift_gate.options import DriftOptions

WIDTH, BYTES = SCALARS.index("source_width"), SCALARS.index("source_bytes")


def sample(*keys):
    codes = np.array([ord(key) for key in keys], np.float64)
    scalars = np.repeat(codes[:, None], len(SCALARS), axis=1)
    vectors = np.repeat(codes[:, None], 3, axis=1).astype(np.float32)
    return Sample("pixels", np.array([key.encode() for key in keys]), scalars, vectors)


@pytest.mark.parametrize(("one", "other"), [("bde", "adc"), ("adc", "bde")])
def test_a_sample_of_two_samples_holds_the_smallest_keys_of_both_once(one, other):
    merged = sample(*one).merged(sample(*other), size=4)
    assert merged.keys.tolist() == [b"a", b"b", b"c", b"d"]
    assert merged.scalars[:, 0].tolist() == merged.vectors[:, 0].tolist() == [97, 98, 99, 100]


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


def scalars(seed, count, width=640, size=22_000):
    """Scalars of images in files of about a size; float64 [count, 5]."""
    random = np.random.RandomState(seed)
    columns = {
        "mean": random.normal(100, 20, count),
        "stddev": random.normal(50, 8, count),
        "source_width": np.full(count, width),
        "source_height": np.full(count, 480),
        "source_bytes": size * np.exp(0.4 * random.standard_normal(count)),
    }
    return np.stack([columns[name] for name in SCALARS], axis=1)


def differences(newest, reference, vectors=lambda count: np.random.RandomState(0).randn(count, 4)):
    """The differences between images with some scalars, by name."""
    both = [
        Sample("", np.arange(len(each)), each, vectors(len(each))) for each in (newest, reference)
    ]
    return {found.name: found for found in judge(*both, DriftOptions()).differences}


def drifted(newest, reference):
    """The names of the scalars that drifted."""
    found = differences(newest, reference).values()
    return [each.name for each in found if each.name in SCALARS and each.drifted]


def test_divergences_are_0_for_equal_constants_and_1_for_different_ones():
    found = differences(scalars(1, 50, width=1280), scalars(0, 80))
    assert found["source_width"].value == pytest.approx(1)
    assert found["source_height"].value == 0


def test_the_distance_of_features_is_the_unbiased_squared_mmd():
    random = np.random.RandomState(1)
    x, y = random.randn(30, 4) + 0.5, random.randn(40, 4)
    parts = iter([x, y])
    found = differences(scalars(0, 30), scalars(1, 40), lambda count: next(parts))

    def kernel(a, b):
        return np.exp(-np.square(np.linalg.norm(a[:, None] - b, axis=-1) / bandwidth) / 2)

    def among(a):
        return (kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1))

    distances = np.linalg.norm(y[:, None] - y, axis=-1)
    bandwidth = np.median(distances[np.triu_indices(40, k=1)])
    expected = among(x) + among(y) - 2 * kernel(x, y).mean()
    assert found[FEATURES].value == pytest.approx(expected)


@pytest.mark.parametrize("vectors", [np.ones((30, 4)), np.full((30, 4), np.nan)])
def test_features_without_a_distance_are_not_compared(vectors):
    images = Sample("", np.arange(30), scalars(0, 30), vectors)
    result = judge(images, images, DriftOptions())
    assert result.summary.startswith("not compared: most features of the earlier images are equal")
    assert len(result.reference) == 30


def test_a_change_that_is_small_beside_the_values_is_no_drift():
    newest, reference = scalars(0, 300), scalars(1, 1000)
    newest[::2, WIDTH], reference[::2, WIDTH] = 1200, 1200
    newest[:, WIDTH] += 1
    assert not drifted(newest, reference)


def test_a_rare_width_that_becomes_usual_is_drift():
    newest, reference = scalars(0, 300), scalars(1, 1000)
    newest[:150, WIDTH], reference[:100, WIDTH] = 1200, 1200
    assert drifted(newest, reference) == ["source_width"]


@pytest.mark.parametrize("earlier", [[], [2e7], [2e7] * 30])
def test_smaller_files_are_found_whatever_outliers_there_were(earlier):
    reference = scalars(1, 1000)
    reference[: len(earlier), BYTES] = earlier
    assert drifted(scalars(0, 300, size=5_500), reference) == ["source_bytes"]
    assert not drifted(scalars(2, 300), reference)


def test_an_outlier_among_new_images_is_no_drift():
    newest = scalars(0, 300)
    newest[0] = [255, 0, 12_000, 9_000, 2e7]
    assert not drifted(newest, scalars(1, 1000))
