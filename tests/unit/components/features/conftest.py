"""One feature space of each kind."""

import pytest
from tiny_networks import pin, write_keras_weights, write_onnx, write_saved_model

from components.features.options import FeatureOptions


@pytest.fixture(scope="session")
def spaces(tmp_path_factory):
    """Options by kind, all of networks that take images of some one size."""
    folder = tmp_path_factory.mktemp("networks")
    weights = write_keras_weights(folder / "mobilenet.weights.h5")
    model = write_saved_model(folder / "saved_model")
    onnx = write_onnx(folder / "tiny.onnx")
    return {
        "random_conv": FeatureOptions(name="random_conv"),
        "keras": pin("keras:MobileNetV2", weights, weights=str(weights), resolution=32),
        "saved_model": pin(f"saved_model:{model}", model),
        "onnx": pin(f"onnx:{onnx}", onnx),
    }
