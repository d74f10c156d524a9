"""Feature spaces `keras:NETWORK`."""

import keras
import numpy as np
import pytest
from tiny_networks import pin

from components.features import load_extractor
from components.features.errors import FeatureError


@pytest.mark.slow
def test_features_are_the_pooled_layer_of_the_preprocessed_images(spaces):
    options = spaces["keras"]
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    network.load_weights(options.weights)
    expected = network(images / np.float32(127.5) - 1, training=False).numpy()
    features = load_extractor(options)(images)
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "content"), [("keras:MobileNetV2", b"\0garbage"), ("keras:MobileNet", None)]
)
def test_a_file_that_holds_other_weights_is_reported_in_one_line(spaces, tmp_path, name, content):
    weights = spaces["keras"].weights
    if content is not None:
        weights = tmp_path / "w.weights.h5"
        weights.write_bytes(content)
    with pytest.raises(FeatureError, match=f"does not contain the weights of {name}") as caught:
        load_extractor(pin(name, weights, weights=str(weights)))
    assert "\n" not in str(caught.value)


def test_a_resolution_too_small_for_the_network_is_reported(spaces):
    options = spaces["keras"].model_copy(update={"resolution": 16})
    with pytest.raises(FeatureError, match=r"keras:MobileNetV2: .*32"):
        load_extractor(options)
