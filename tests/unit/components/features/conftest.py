"""One feature space of each kind."""

import pytest
from tiny_networks import pin, write_onnx

from components.features.options import FeatureOptions


@pytest.fixture(scope="session")
def spaces(tmp_path_factory):
    """Options by kind."""
    folder = tmp_path_factory.mktemp("networks")
    onnx = write_onnx(folder / "tiny.onnx")
    return {
        "random_conv": FeatureOptions(name="random_conv"),
        "efficientnet-lite0": FeatureOptions(name="efficientnet-lite0", resolution=32),
        "onnx": pin(f"onnx:{onnx}", onnx),
    }
