"""The options of a feature space: `evaluate.features` in the configuration."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, model_validator

from trainer.common.options import Options

LITE0 = "efficientnet-lite0"
# Of the weights (components/features/lite0_weights.py), by which features are known to be the same.
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_RESOLUTION = 224  # pixels, that of the images that EfficientNet-Lite0 was trained on
LITE0_MIN_RESOLUTION = 32  # pixels, of which one is left after its five strides of two


class SpaceKind(NamedTuple):
    """The syntax of one kind of feature space."""

    argument: str = ""  # of the text after the colon; empty: no colon
    required: tuple[str, ...] = ()  # settings
    optional: tuple[str, ...] = ()
    dimension: int | None = None  # of a vector, where it is the same for all images


AUTO = "auto"
KINDS = {
    AUTO: SpaceKind(),
    "pixels": SpaceKind(),
    "random_conv": SpaceKind(dimension=128),
    LITE0: SpaceKind(optional=("resolution",), dimension=1280),
    "onnx": SpaceKind("URI", ("sha256",), ("resolution", "mean", "stddev")),
}


def syntax(kind: str) -> str:
    """How a kind of feature space is named in the configuration."""
    return f"{kind}:{KINDS[kind].argument}".rstrip(":")


def _check_name(name: str) -> str:
    kind, colon, argument = name.partition(":")
    wants_argument = kind in KINDS and bool(KINDS[kind].argument)
    if kind not in KINDS or not wants_argument == bool(colon) == bool(argument):
        raise ValueError(f"must be one of {', '.join(map(syntax, KINDS))}")
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
        description="digest of the file or folder to load, as printed by `iadb digest URI`",
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
    def argument(self) -> str:
        """The part of the name after the colon; empty without one."""
        return self.name.partition(":")[2]

    @property
    def uri(self) -> str | None:
        """The file or folder that `sha256` pins; None if nothing is loaded."""
        return self.argument or None

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
        if self.kind == LITE0 and self.settings["resolution"] < (LITE0_MIN_RESOLUTION):
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
