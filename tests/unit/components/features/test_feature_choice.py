"""`evaluate.features: auto`: by the images."""

import pytest

from components.features import load_extractor
from components.features.digest import FeatureError
from components.features.options import FeatureOptions, choose_features

AUTO = FeatureOptions(name="auto")


@pytest.mark.parametrize(
    ("resolution", "channels"), [(31, 3), (8, 1), (256, 1)], ids=["small", "tiny", "gray"]
)
def test_small_and_gray_images_get_random_conv(resolution, channels):
    chosen = choose_features(AUTO, (resolution, resolution, channels))
    assert chosen == FeatureOptions(name="random_conv")


@pytest.mark.parametrize(
    ("sides", "resized"),
    [((32, 32), 112), ((256, 256), 224), ((24, 32), 112), ((128, 96), 128), ((300, 40), 224)],
)
def test_color_images_get_the_trained_network(sides, resized):
    chosen = choose_features(AUTO, (*sides, 3))
    assert chosen == FeatureOptions(name="efficientnet-lite0", resolution=resized)


@pytest.mark.parametrize("name", ["pixels", "random_conv", "efficientnet-lite0"])
def test_a_name_stays(name):
    space = FeatureOptions(name=name)
    assert choose_features(space, (64, 64, 3)) == space


def test_a_component_does_not_choose():
    with pytest.raises(FeatureError, match="auto must be chosen before"):
        load_extractor(AUTO)
