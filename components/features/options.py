"""The options of a feature space: `evaluate.features` in the configuration."""

import difflib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, model_validator

from components.features.published.spec import EFFICIENTNET_LITE0
from trainer.common.options import Options

# Networks of keras.applications, with the side in pixels of the images that each was trained on.
# EfficientNetB0 to B7 are excluded: keras.applications builds them without their normalization
# unless it downloads the weights itself.
KERAS_NETWORKS = {
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2L": 480,
    "EfficientNetV2M": 480,
    "EfficientNetV2S": 384,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
    **dict.fromkeys(
        [
            *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
            *(f"DenseNet{layers}" for layers in (121, 169, 201)),
            *(f"ResNet{layers}{version}" for layers in (50, 101, 152) for version in ("", "V2")),
            *(f"MobileNet{version}" for version in ("", "V2", "V3Small", "V3Large")),
            *("EfficientNetV2B0", "NASNetMobile", "VGG16", "VGG19"),
        ],
        224,
    ),
}
HDF5_SUFFIX = ".h5"
LITE0_RESOLUTION = 224  # pixels, that of the images that EfficientNet-Lite0 was trained on
LITE0_MIN_RESOLUTION = 32  # pixels, of which one is left after its five strides of two


class SpaceKind(NamedTuple):
    """The syntax of one kind of feature space."""

    argument: str = ""  # of the text after the colon; empty: no colon
    required: tuple[str, ...] = ()  # settings
    optional: tuple[str, ...] = ()
    vector: str = "the network's"  # number of dimensions, in words
    dimension: int | None = None  # the same as a number, where it is the same for all images
    weights: str = "none"  # where they come from, in words


_FREE_INPUT = ("resolution", "mean", "stddev")
AUTO = "auto"
KINDS = {
    AUTO: SpaceKind(vector="as chosen", weights="as chosen"),
    "pixels": SpaceKind(vector="H * W * C"),
    "random_conv": SpaceKind(vector="128", dimension=128),
    EFFICIENTNET_LITE0.space: SpaceKind(
        optional=("resolution",), vector="1,280", dimension=1280, weights="fetched once"
    ),
    "keras": SpaceKind("NETWORK", ("weights", "sha256"), ("resolution",), weights="a file"),
    "saved_model": SpaceKind("URI", ("sha256",), _FREE_INPUT, weights="the folder"),
    "onnx": SpaceKind("URI", ("sha256",), _FREE_INPUT, weights="a file or folder"),
}


def syntax(kind: str) -> str:
    """How a kind of feature space is named in the configuration."""
    return f"{kind}:{KINDS[kind].argument}".rstrip(":")


def _check_name(name: str) -> str:
    kind, colon, argument = name.partition(":")
    wants_argument = kind in KINDS and bool(KINDS[kind].argument)
    if kind not in KINDS or not wants_argument == bool(colon) == bool(argument):
        raise ValueError(f"must be one of {', '.join(map(syntax, KINDS))}")
    if kind == "keras" and argument not in KERAS_NETWORKS:
        close = difflib.get_close_matches(argument, KERAS_NETWORKS, n=1)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"choose from {', '.join(sorted(KERAS_NETWORKS))}"
        )
        raise ValueError(f"no such network; {hint}")
    return name


def _check_weights(uri: str) -> str:
    if not uri.endswith(HDF5_SUFFIX):
        raise ValueError("must be a file with weights only, .weights.h5 or .h5")
    return uri


Channels = tuple[float, float, float]  # red, green, blue


class FeatureOptions(Options):
    """A feature space. Weights are pinned by digest, so equal options give equal features."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(
        description="auto, pixels, random_conv, efficientnet-lite0, keras:NETWORK, saved_model:URI "
        "or onnx:URI; auto: efficientnet-lite0 for color images of 32 pixels or more, "
        "else random_conv"
    )
    weights: Annotated[str, AfterValidator(_check_weights)] | None = Field(
        None, description="for keras:NETWORK: path or URI of its weights, .weights.h5 or .h5"
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="digest of the file or folder to load, as printed by `iadb digest URI`",
    )
    resolution: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="side in pixels to resize images to; default: the one that keras:NETWORK was "
        "trained on, 224 for efficientnet-lite0, the one that the model declares, or none if it "
        "accepts any",
    )
    mean: Channels | None = Field(
        None,
        description="for saved_model and onnx with float32 input: subtracted from the red, green "
        "and blue values in [0, 1]; default: 0",
    )
    stddev: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="divides the red, green and blue values after `mean`; default: 1"
    )

    @property
    def kind(self) -> str:
        """The part of the name before the colon."""
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        """The part of the name after the colon; empty without one."""
        return self.name.partition(":")[2]

    @property
    def uri(self) -> str | None:
        """The file or folder that `sha256` pins; None if nothing is loaded."""
        return self.weights if self.kind == "keras" else self.argument or None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything beside the name that determines the features, for JSON.

        The place of the weights is not included: `sha256` identifies them.
        """
        given = self.model_dump(mode="json", exclude={"name", "weights"}, exclude_none=True)
        if self.kind == EFFICIENTNET_LITE0.space:
            return {"resolution": LITE0_RESOLUTION, "sha256": EFFICIENTNET_LITE0.sha256} | given
        return given

    def dimension(self, shape: tuple[int, int, int]) -> int | None:
        """The length of the vectors of images of a shape, H, W, C; None where the model decides."""
        if self.kind == "pixels":
            return math.prod(shape)
        return KINDS[self.kind].dimension

    @property
    def identity(self) -> str:
        """A text that is equal for equal features, wherever their weights are."""
        return identity(self.name, self.settings)

    @model_validator(mode="after")
    def _settings_fit_the_kind(self) -> "FeatureOptions":
        given = self.model_dump(exclude={"name"}, exclude_none=True)
        kind = KINDS[self.kind]
        for setting in given:
            if setting not in (*kind.required, *kind.optional):
                raise ValueError(f"{setting} is not a setting of {self.kind}")
        if self.kind == EFFICIENTNET_LITE0.space and self.settings["resolution"] < (
            LITE0_MIN_RESOLUTION
        ):
            raise ValueError(f"resolution must be at least {LITE0_MIN_RESOLUTION} for {self.name}")
        for setting in kind.required:
            if setting not in given:
                hint = f"; `iadb digest {self.uri}` prints it" if setting == "sha256" else ""
                raise ValueError(f"{self.name} requires {setting}{hint}")
        return self


def identity(name: str, settings: Mapping[str, Any]) -> str:
    """The `identity` of features by their name and settings; for unknown kinds, of the whole name.

    The URI of a model is not included: `sha256` in the settings identifies it.
    """
    kind = name.partition(":")[0]
    named = kind if kind in KINDS and KINDS[kind].argument == "URI" else name
    return json.dumps([named, settings], sort_keys=True)


def _name_alone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# A name alone is accepted: `features: pixels`.
Features = Annotated[
    FeatureOptions, BeforeValidator(_name_alone, json_schema_input_type=str | FeatureOptions)
]

# Copies of training images are searched in this space, whatever the metrics compare: all training
# images have to be described in it, so it must be fast, and a shift by a pixel must move an image
# little, which it does in the spaces of trained networks (docs/evaluation.md).
SEARCH_SPACE = FeatureOptions(name="random_conv")
