"""The sections of the configuration that belong to no component: data, validation, beam."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components import names as tfx_names
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.image_example_gen.options import ImageOptions, WindowOptions
from components.image_example_gen.pattern import MAX_DIGITS, has_spans
from components.image_example_gen.spans import ImageSource, run_sources
from components.image_example_gen.windows import find_window
from components.metrics import MAX_DIMENSION, get_metric
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config.values import ConfigError
from trainer.common.options import Options
from trainer.common.text import shorten
from trainer.source.options import ALLOWED, DegradationText

SPAN_KEYS = ("span", "window", "exclude")  # of data; need a pattern


class DataConfig(ImageOptions, WindowOptions):
    """Where the images are and how they are read."""

    folder: str | None = Field(
        None, min_length=1, description="folder of images, or a URI: s3://... or gs://..."
    )
    span: int | None = Field(
        None,
        ge=0,
        lt=10**MAX_DIGITS,
        description="the newest span to read; the latest if not set",
    )

    holdout: str | None = Field(
        None,
        min_length=1,
        description="folder of images, or a URI, that is never trained on: every model is compared "
        "with it as well as with the held-out images of its own data, in metrics named kid@holdout",
    )

    source: str | None = Field(
        None,
        min_length=1,
        description="folder of images, or a URI, that the model learns to translate to those of "
        "folder",
    )
    pairing: Literal["name", "none"] = Field(
        "name",
        description="which source is of which image. name: that with the same relative path, up to "
        "the ending; none: of none, so that the model learns to map one set of images to another",
    )
    holdout_source: str | None = Field(
        None, min_length=1, description="the sources of the images of holdout, like source"
    )
    degrade: DegradationText | None = Field(
        None,
        description="derive a source from every image, which the model learns to translate back: "
        f"{ALLOWED}; unset: images are drawn from noise alone",
    )

    license: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,100}$")] | None = Field(
        None,
        description="license of the images, for the model card: an identifier such as cc-by-4.0, "
        "or one line of text",
    )

    @field_validator("folder", "holdout", "source", "holdout_source", mode="before")
    @classmethod
    def _names_are_text(cls, folder: object) -> object:
        if isinstance(folder, str) and not folder.isascii():
            try:
                folder.encode()
            except UnicodeEncodeError:
                raise ValueError("the name is not UTF-8; rename the folder") from None
        return folder

    @field_validator("folder", "holdout", "source", "holdout_source", mode="before")
    @classmethod
    def _uris_have_a_bucket(cls, folder: object) -> object:
        if isinstance(folder, str) and folder.endswith("://"):
            raise ValueError(f"no bucket; expected {folder}bucket/folder")
        return folder

    @model_validator(mode="after")
    def _sources_are_complete(self) -> "DataConfig":
        if self.source and self.degrade:
            raise ValueError(
                f"source={shorten(self.source)} and degrade={self.degrade} are both set; sources "
                "are either files or derived from the images"
            )
        if self.pairing == "none" and not self.source:
            raise ValueError(
                "pairing=none needs source, the folder of images that are to be translated"
            )
        if bool(self.holdout_source) != bool(self.holdout and self.paired_source):
            raise ValueError(
                "holdout_source must be set where source and holdout are, with pairing=name, and "
                "only there: it holds the sources of the images of holdout"
            )
        return self

    @property
    def paired_source(self) -> str | None:
        """The folder of sources that are paired with images by name."""
        return self.source if self.pairing == "name" else None

    @property
    def unpaired_source(self) -> str | None:
        """The folder of sources that are not paired with images."""
        return self.source if self.pairing == "none" else None

    @model_validator(mode="after")
    def _spans_have_a_pattern(self) -> "DataConfig":
        for name in SPAN_KEYS:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and not has_spans(self.pattern):
                raise ValueError(
                    f"{name}={shorten(str(value))} needs a data.pattern with {{SPAN}} or a date, "
                    "which separate the spans"
                )
        return self


class ValidationConfig(Options):
    """What DataGate does with anomalies in the data."""

    schema_file: str | None = Field(
        None, description="schema (pbtxt) that replaces the project's own"
    )
    on_anomaly: Literal["stop", "warn"] = Field(
        "stop", description="stop: errors in the data end the run; warn: they are logged"
    )


class BeamConfig(Options):
    """Where Beam's work runs: options of Beam's own command line."""

    options: tuple[str, ...] = Field(
        ("--runner=FnApiRunner",),
        description="options of every component on Beam; the default runs in-process",
    )
    components: dict[
        Literal[
            example_names.NODE,
            tfx_names.STATISTICS_GEN,
            drift_names.NODE,
            tfx_names.TRANSFORM,
            feature_names.NODE,
            evaluator_names.NODE,
            evaluator_names.STUDENT_NODE,
        ],
        tuple[str, ...],
    ] = Field(default_factory=dict, description="options of single components, in place of those")

    def arguments(self, component: str) -> list[str]:
        """The arguments of a component's Beam pipeline.

        Unless an option names the workers' container, TFX packs a copy of itself for each
        component: 45 MB that is never removed, and that a worker without a network cannot install
        (tfx#3435). Workers have this project and its packages already; only Dataflow starts
        machines of its own, for which docs/scale.md has an image. Other engines ignore the option:
        their containers are named by `--environment_config`.
        """
        arguments = list(self.components.get(component, self.options))
        if "--runner" in arguments[:-1]:  # in two words
            index = arguments.index("--runner")
            arguments[index : index + 2] = [f"--runner={arguments[index + 1]}"]
        # Without a runner, Beam would choose one that downloads another program.
        if not any(argument.startswith("--runner=") for argument in arguments):
            arguments = [*BeamConfig.model_fields["options"].default, *arguments]
        named = ("--sdk_container_image", "--runner=DataflowRunner")
        if not any(argument.startswith(named) for argument in arguments):
            arguments.append("--sdk_container_image=none")
        return arguments


def require_samples(evaluate: EvaluateOptions, data: DataConfig) -> None:
    """Checks that `samples` are enough for the limits that are configured, as far as can be known.

    Raises:
        ConfigError: a metric with a limit needs more, or cannot be computed in the feature space.
    """
    dimension = evaluate.features.dimension(data.shape)
    for name, threshold in evaluate.thresholds.items():
        needed = get_metric(name).images_needed(dimension)
        if threshold is None or (needed and evaluate.samples >= needed):
            continue
        space = f"{evaluate.features.name} of {dimension or 0:,} dimensions"
        if needed is None:
            raise ConfigError(
                f"evaluate.thresholds.{name}: cannot be computed in {space}, only in up to "
                f"{MAX_DIMENSION:,}; choose other evaluate.features, or leave the metric out with "
                "null"
            )
        raise ConfigError(
            f"evaluate.thresholds.{name}: needs evaluate.samples={needed} in {space}, got "
            f"{evaluate.samples}; set that, choose other evaluate.features, or leave the metric "
            "out with null"
        )


def require_folder(data: DataConfig, workspace: Path) -> None:
    """Checks that a folder of images is set, and that the workspace is not inside what is read.

    Args:
        data: where the images of a run are.
        workspace: its folder, an absolute path.

    Raises:
        ConfigError: no folder is set, or the workspace is inside it, the held-out images or the
            sources.
    """
    if data.folder is None:
        raise ConfigError("data.folder: not set; give the folder of images with --data FOLDER")
    for key in ("folder", "holdout", "source", "holdout_source"):
        folder = getattr(data, key)
        if folder and "://" not in folder and workspace.is_relative_to(os.path.realpath(folder)):
            raise ConfigError(
                f"data.{key}: the workspace {workspace} is inside it, and a run would read the "
                "output of an earlier one; choose a workspace outside with --workspace"
            )


def find_sources(data: DataConfig) -> list[ImageSource]:
    """Finds all images that a run reads; the first are those of data.folder.

    Raises:
        ImageDataError: the folders or their spans do not match the configuration.
    """
    window = find_window(data.folder, data, data.span)
    images = ImageSource(data.folder, window, sources=data.paired_source or "")
    return run_sources(images, data.holdout, data.holdout_source, data.unpaired_source)
