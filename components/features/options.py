"""What names a feature space, and what pins it: `evaluate.features` in the configuration."""

import difflib
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, model_validator

from trainer.common.options import Options

# Networks of keras.applications, with the side in pixels of the images that each was trained on.
# EfficientNetB0 to B7 are not among them: keras.applications builds these without their
# normalization where it does not download the weights itself.
KERAS_NETWORKS = {
    "ConvNeXtBase": 224,
    "ConvNeXtLarge": 224,
    "ConvNeXtSmall": 224,
    "ConvNeXtTiny": 224,
    "ConvNeXtXLarge": 224,
    "DenseNet121": 224,
    "DenseNet169": 224,
    "DenseNet201": 224,
    "EfficientNetV2B0": 224,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2L": 480,
    "EfficientNetV2M": 480,
    "EfficientNetV2S": 384,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "MobileNet": 224,
    "MobileNetV2": 224,
    "MobileNetV3Large": 224,
    "MobileNetV3Small": 224,
    "NASNetLarge": 331,
    "NASNetMobile": 224,
    "ResNet101": 224,
    "ResNet101V2": 224,
    "ResNet152": 224,
    "ResNet152V2": 224,
    "ResNet50": 224,
    "ResNet50V2": 224,
    "VGG16": 224,
    "VGG19": 224,
    "Xception": 299,
}
HDF5_SUFFIX = ".h5"


class SpaceKind(NamedTuple):
    """What one kind of feature space is written with."""

    argument: str = ""  # what the text after the colon names; empty: no colon
    required: tuple[str, ...] = ()  # settings
    optional: tuple[str, ...] = ()


_FREE_INPUT = ("resolution", "mean", "stddev")
KINDS = {
    "pixels": SpaceKind(),
    "random_conv": SpaceKind(),
    "keras": SpaceKind("NETWORK", ("weights", "sha256"), ("resolution",)),
    "saved_model": SpaceKind("URI", ("sha256",), _FREE_INPUT),
    "onnx": SpaceKind("URI", ("sha256",), _FREE_INPUT),
}


def _check_name(name: str) -> str:
    kind, colon, argument = name.partition(":")
    wants_argument = kind in KINDS and bool(KINDS[kind].argument)
    if kind not in KINDS or not wants_argument == bool(colon) == bool(argument):
        forms = [f"{kind}:{form.argument}".rstrip(":") for kind, form in KINDS.items()]
        raise ValueError(f"give one of {', '.join(forms)}")
    if kind == "keras" and argument not in KERAS_NETWORKS:
        close = difflib.get_close_matches(argument, KERAS_NETWORKS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(KERAS_NETWORKS)}"
        raise ValueError(f"no such network; {hint}")
    return name


def _check_weights(uri: str) -> str:
    if not uri.endswith(HDF5_SUFFIX):
        raise ValueError("give a file of weights alone, .weights.h5 or .h5")
    return uri


Channels = tuple[float, float, float]  # red, green, blue


class FeatureOptions(Options):
    """A feature space. Weights are pinned by their digest, so equal options mean equal features."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(
        description="pixels, random_conv, keras:NETWORK, saved_model:URI or onnx:URI"
    )
    weights: Annotated[str, AfterValidator(_check_weights)] | None = Field(
        None, description="of keras:NETWORK: its file of weights, .weights.h5 or .h5, or a URI"
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="digest of the file or folder that is loaded, as `iadb digest URI` prints it",
    )
    resolution: int | None = Field(
        None,
        ge=8,
        le=1024,
        description="side in pixels that images are resized to; default: of keras:NETWORK what it "
        "was trained on, else the model's own, or none where it takes any",
    )
    mean: Channels | None = Field(
        None,
        description="subtracted from the red, green and blue values in [0, 1] of saved_model and "
        "onnx inputs in float32; default: 0",
    )
    stddev: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="what these are then divided by; default: 1"
    )

    @property
    def kind(self) -> str:
        """What stands before the colon in the name."""
        return self.name.partition(":")[0]

    @property
    def argument(self) -> str:
        """What stands after the colon in the name; empty without one."""
        return self.name.partition(":")[2]

    @property
    def uri(self) -> str | None:
        """The file or folder that `sha256` pins; None where nothing is loaded."""
        return self.weights if self.kind == "keras" else self.argument or None

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the features beside the name, for JSON.

        Where weights lie does not: `sha256` says which they are.
        """
        return self.model_dump(mode="json", exclude={"name", "weights"}, exclude_none=True)

    @model_validator(mode="after")
    def _settings_fit_the_kind(self) -> "FeatureOptions":
        given = self.model_dump(exclude={"name"}, exclude_none=True)
        kind = KINDS[self.kind]
        for setting in given:
            if setting not in (*kind.required, *kind.optional):
                raise ValueError(f"{setting} is no setting of {self.kind}")
        for setting in kind.required:
            if setting not in given:
                hint = f"; `iadb digest {self.uri}` prints it" if setting == "sha256" else ""
                raise ValueError(f"{self.name} needs {setting} beside its name{hint}")
        return self


def _name_alone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# In a configuration a name alone will do: `features: pixels`.
Features = Annotated[
    FeatureOptions, BeforeValidator(_name_alone, json_schema_input_type=str | FeatureOptions)
]
