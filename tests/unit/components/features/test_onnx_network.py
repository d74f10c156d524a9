"""Feature spaces `onnx:URI`."""

import numpy as np
import onnx
import pytest
from tiny_networks import features_of, pin, write_onnx

from components.features import load_extractor
from components.features.digest import FeatureError
from components.features.network import resize

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)
BYTE = onnx.TensorProto.UINT8


def load(path, **settings):
    return load_extractor(pin(f"onnx:{path}", path, **settings))


@pytest.mark.parametrize(
    "shape",
    [("N", 3, 16, 16), ("N", 16, 16, 3), (2, 3, 16, 16), (1, 16, 16, 3)],
    ids=["NCHW", "NHWC", "NCHW, fixed batch", "NHWC, fixed batch"],
)
def test_the_layout_and_the_batch_are_read_from_the_model(tmp_path, shape):
    features = load(write_onnx(tmp_path / "m.onnx", shape))(IMAGES)
    np.testing.assert_allclose(features, features_of(resize(IMAGES, 16, 16) / 255), rtol=1e-5)


def test_mean_and_stddev_are_of_values_in_zero_to_one(tmp_path):
    mean, stddev = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    features = load(write_onnx(tmp_path / "m.onnx"), mean=mean, stddev=stddev)(IMAGES)
    values = (resize(IMAGES, 16, 16) / 255 - np.float32(mean)) / np.float32(stddev)
    np.testing.assert_allclose(features, features_of(values), rtol=1e-4)


@pytest.mark.parametrize("shape", [("N", 3, "H", "W"), ("N", "H", "W", 3)])
def test_a_byte_model_of_any_size_receives_the_images_unchanged(tmp_path, shape):
    path = write_onnx(tmp_path / "m.onnx", shape, BYTE)
    expected = features_of(IMAGES.astype(np.float32))
    np.testing.assert_allclose(load(path)(IMAGES), expected, rtol=1e-5)


def test_weights_in_another_file_are_not_loaded(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "m.onnx", external=True)
    assert (tmp_path / "weights.bin").is_file()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FeatureError, match="does not load as an ONNX model"):
        load(path)


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ({"shape": ("N", 3, 16, 16)}, {"resolution": 32}, "takes images 16x16, not resolution=32"),
        ({"dtype": BYTE}, {"mean": (0, 0, 0)}, "mean and stddev are for float32"),
        ({"dtype": onnx.TensorProto.INT32}, {}, r"tensor\(int32\): must be uint8 or float32"),
        ({"outputs": 2}, {}, "1 inputs and 2 outputs with two dimensions: must have one of each"),
        ({"shape": ("N", "C", 16, 16)}, {}, r"images \[N, 3, height, width\]"),
    ],
)
def test_a_model_or_settings_that_do_not_fit_are_reported(tmp_path, model, settings, message):
    path = write_onnx(tmp_path / "m.onnx", **model)
    with pytest.raises(FeatureError, match=message):
        load(path, **settings)


def test_anything_but_a_model_is_reported_in_one_line(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"\0garbage")
    with pytest.raises(FeatureError, match="does not load as an ONNX model") as caught:
        load(path)
    assert "\n" not in str(caught.value)
