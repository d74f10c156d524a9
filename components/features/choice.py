"""The choice of `evaluate.features: auto`, by the images."""

from components.features.options import AUTO, LITE0, LITE0_RESOLUTION, FeatureOptions

# Small images are resized to this many pixels, and not to the 224 of the network's training, which
# takes four times as long. docs/evaluation.md shows what is detected.
LITE0_LEAST = 112
MIN_SIDE = 32  # pixels; smaller images have little that a network of photographs knows
COLOR = 3  # channels


def choose_features(features: FeatureOptions, shape: tuple[int, int, int]) -> FeatureOptions:
    """Chooses the feature space if the configuration leaves it open.

    Color images with a side of at least 32 pixels get a network that was trained on photographs,
    others `random_conv`.

    Args:
        features: of the configuration; anything but `auto` stays as it is.
        shape: H, W, C of the images.

    Returns:
        A feature space, never `auto`.
    """
    if features.name != AUTO:
        return features
    *sides, channels = shape
    if max(sides) < MIN_SIDE or channels != COLOR:
        return FeatureOptions(name="random_conv")
    return FeatureOptions(name=LITE0, resolution=min(max(*sides, LITE0_LEAST), LITE0_RESOLUTION))
