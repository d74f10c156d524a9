"""The options of a feature space: `evaluate.features` in the configuration."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, model_validator

from trainer.common.options import Options

LITE0 = "efficientnet-lite0"
# Of the weights (components/features/lite0_weights.py), by which features are known to be the same.
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_RESOLUTION = 224  # pixels, that of the images that EfficientNet-Lite0 was trained on
LITE0_MIN_RESOLUTION = 32  # pixels, of which one is left after its five strides of two


AUTO, ONNX = "auto", "onnx"
# `auto` resizes small images to this many pixels, and not to the 224 of the network's training,
# which takes four times as long. docs/reference/metrics.md has the speeds.
LITE0_LEAST = 112
MIN_SIDE = 32  # pixels; smaller images have little that a network of photographs knows
COLOR = 3  # channels

# The settings of each kind of feature space.
SETTINGS = {
    AUTO: (),
    "pixels": (),
    "random_conv": (),
    LITE0: ("resolution",),
    ONNX: ("sha256", "resolution", "mean", "stddev"),
}
DIMENSIONS = {"random_conv": 128, LITE0: 1280}  # of vectors, where they are the same for all images


def _check_name(name: str) -> str:
    kind, _, uri = name.partition(":")
    if not ((kind == ONNX and uri) or (name in SETTINGS and name != ONNX)):
        *others, _ = SETTINGS
        raise ValueError(f"must be one of {', '.join(others)}, onnx:URI")
    return name


Channels = tuple[float, float, float]  # red, green, blue


class FeatureOptions(Options):
    """A feature space. Weights are pinned by digest, so equal options give equal features."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(
        description="auto, pixels, random_conv, efficientnet-lite0 or onnx:URI; auto: "
        "efficientnet-lite0 for color images of 32 pixels or more, else random_conv"
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="digest of the file to load, as printed by `iadb digest URI`",
    )
    resolution: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="side in pixels to resize images to; default: 224 for efficientnet-lite0, "
        "the one that the model declares, or none if it accepts any",
    )
    mean: Channels | None = Field(
        None,
        description="for onnx with float32 input: subtracted from the red, green and blue "
        "values in [0, 1]; default: 0",
    )
    stddev: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="divides the red, green and blue values after `mean`; default: 1"
    )

    @property
    def kind(self) -> str:
        """The part of the name before the colon."""
        return self.name.partition(":")[0]

    @property
    def uri(self) -> str | None:
        """The file that `sha256` pins; None if nothing is loaded."""
        return self.name.partition(":")[2] or None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything beside the name that determines the features, for JSON."""
        given = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        if self.kind == LITE0:
            return {"resolution": LITE0_RESOLUTION, "sha256": LITE0_SHA256} | given
        return given

    def dimension(self, shape: tuple[int, int, int]) -> int | None:
        """The length of the vectors of images of a shape, H, W, C; None where the model decides."""
        if self.kind == "pixels":
            return math.prod(shape)
        return DIMENSIONS.get(self.kind)

    @property
    def identity(self) -> str:
        """A text that is equal for equal features, wherever their weights are."""
        return identity(self.name, self.settings)

    @model_validator(mode="after")
    def _settings_fit_the_kind(self) -> "FeatureOptions":
        for setting in self.model_dump(exclude={"name"}, exclude_none=True):
            if setting not in SETTINGS[self.kind]:
                raise ValueError(f"{setting} is not a setting of {self.kind}")
        if self.kind == LITE0 and self.settings["resolution"] < LITE0_MIN_RESOLUTION:
            raise ValueError(f"resolution must be at least {LITE0_MIN_RESOLUTION} for {self.name}")
        if self.kind == ONNX and self.sha256 is None:
            raise ValueError(f"{self.name} requires sha256; `iadb digest {self.uri}` prints it")
        return self


def identity(name: str, settings: Mapping[str, Any]) -> str:
    """The `identity` of features by their name and settings; for unknown kinds, of the whole name.

    The URI of a model is not included: `sha256` in the settings identifies it.
    """
    named = ONNX if name.startswith(f"{ONNX}:") else name
    return json.dumps([named, settings], sort_keys=True)


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


def _name_alone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# A name alone is accepted: `features: pixels`.
Features = Annotated[
    FeatureOptions, BeforeValidator(_name_alone, json_schema_input_type=str | FeatureOptions)
]

# Copies of training images are searched in this space, whatever the metrics compare: all training
# images have to be described in it, so it must be fast, and a shift by a pixel must move an image
# little, unlike in the spaces of trained networks (benchmarks/notes/evaluation.md).
SEARCH_SPACE = FeatureOptions(name="random_conv")
