"""Properties that all feature spaces share, and errors before a run starts."""

import sys

import numpy as np
import pytest

from components.features import check_available, load_extractor
from components.features.digest import FeatureError

KINDS = ["random_conv", "efficientnet-lite0", "onnx"]


def random_images(count, side=12, channels=3):
    shape = (count, side, side, channels)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module", params=KINDS)
def extract(request, spaces):
    return load_extractor(spaces[request.param])


def test_a_vector_depends_on_its_image_alone(extract):
    images = random_images(70)
    together = extract(images)
    assert together.shape[0] == 70
    assert together.dtype == np.float32
    for batch_size, count in ((1, 10), (7, 70), (64, 70)):
        parts = [extract(images[i : i + batch_size]) for i in range(0, count, batch_size)]
        difference = np.abs(np.concatenate(parts) - together[:count]).max()
        assert difference <= 1e-6 * np.abs(together).max()


def test_gray_images_are_rgb_images_of_equal_channels(extract):
    gray = random_images(3, channels=1)
    np.testing.assert_array_equal(extract(gray), extract(gray.repeat(3, -1)))


@pytest.mark.parametrize("side", [8, 16, 100])
def test_images_of_any_size_give_vectors_of_one_dimension(extract, side):
    assert extract(random_images(2, side)).shape == (2, extract(random_images(1)).shape[1])


def test_different_images_have_different_vectors(extract):
    vectors = extract(random_images(5))
    assert len(np.unique(vectors, axis=0)) == 5


def test_a_second_load_gives_the_same_vectors(extract, spaces, request):
    kind = request.node.callspec.params["extract"]
    images = random_images(3)
    np.testing.assert_array_equal(load_extractor(spaces[kind])(images), extract(images))


@pytest.mark.parametrize("function", [check_available, load_extractor])
def test_a_network_that_is_not_the_pinned_one_stops_the_run(spaces, function):
    options = spaces["onnx"].model_copy(update={"sha256": "0" * 64})
    with pytest.raises(FeatureError, match=spaces["onnx"].sha256):
        function(options)


def test_a_network_that_is_gone_stops_the_run(spaces):
    with pytest.raises(FeatureError, match="cannot read /gone: No such file"):
        check_available(spaces["onnx"].model_copy(update={"name": "onnx:/gone"}))


def test_what_can_be_loaded_is_available(spaces):
    for options in spaces.values():
        check_available(options)


@pytest.mark.parametrize("function", [check_available, load_extractor])
def test_without_onnxruntime_the_extra_is_named(spaces, function, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FeatureError, match=r"requires onnxruntime.*'\.\[onnx\]'"):
        function(spaces["onnx"])
