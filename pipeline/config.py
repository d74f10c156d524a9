"""PipelineConfig: everything a user can set, in one validated YAML file.

A configuration starts from a preset or the defaults; a file replaces values, then single overrides
do (`train.steps=500`). Errors are reported before anything starts, one line per key.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from components import names as tfx_names
from components.drift_gate import names as drift_names
from components.drift_gate.options import DriftOptions
from components.image_example_gen import names as example_names
from components.image_example_gen.options import MIN_SIDE, ImageOptions, WindowOptions
from components.image_example_gen.pattern import MAX_DIGITS, has_spans, is_dated
from components.pair_gen import names as pair_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.options import (
    MAX_DIMENSION,
    PAIR_METRICS,
    EvaluateOptions,
    images_needed,
)
from pipeline.config_values import ConfigError, read_values
from pipeline.distillation.options import DistillOptions
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.options import RetentionOptions
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.runners.vertex_options import VertexOptions
from pipeline.unattended.options import ScheduleOptions
from pipeline.unknown_keys import suggest
from trainer.common.options import Options
from trainer.common.resolution import from_sides
from trainer.common.text import shorten
from trainer.common.validation import explain
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.tableaus import TABLEAUS
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.source.options import ALLOWED, DegradationText, Source

MAX_ERRORS = 20  # that are shown
SPAN_KEYS = ("span", "window", "exclude", "older_share")  # of data; need a pattern


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
        if self.source_pattern and not self.unpaired_source:
            raise ValueError(
                f"source_pattern={shorten(self.source_pattern)} needs pairing=none; sources that "
                "are paired by name are in the folders of pattern"
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
        if has_spans(self.source_pattern) and (
            not has_spans(self.pattern) or is_dated(self.pattern) != is_dated(self.source_pattern)
        ):
            kind = "{YYYY}, {MM}, {DD}" if is_dated(self.source_pattern) else "{SPAN}"
            raise ValueError(
                f"source_pattern={shorten(self.source_pattern)} needs a data.pattern with {kind} "
                "as well, because the spans of both folders have the same numbers"
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
            pair_names.NODE,
            evaluator_names.STUDENT_NODE,
        ],
        tuple[str, ...],
    ] = Field(default_factory=dict, description="options of single components, in place of those")

    def arguments(self, component: str) -> list[str]:
        """The arguments of a component's Beam pipeline.

        Unless an option names the workers' container, TFX packs a copy of itself for each
        component, 45 MB that is never removed. Workers in this process do not need it.
        """
        arguments = list(self.components.get(component, self.options))
        if "--runner" in arguments[:-1]:  # in two words
            index = arguments.index("--runner")
            arguments[index : index + 2] = [f"--runner={arguments[index + 1]}"]
        # Without a runner, Beam would choose one that downloads another program.
        if not any(argument.startswith("--runner=") for argument in arguments):
            arguments = [*BeamConfig.model_fields["options"].default, *arguments]
        if {"--runner=FnApiRunner", "--runner=DirectRunner"} & set(arguments):
            arguments.append("--sdk_container_image=none")
        return arguments


class PipelineConfig(Options):
    """One pipeline: from a folder of images to a served sampler."""

    name: str = Field(
        "iadb",
        pattern="^[a-z][a-z0-9-]{0,62}$",
        description="name of the pipeline in its metadata",
    )
    data: DataConfig = Field(DataConfig(), description="where the images are and how they are read")
    validation: ValidationConfig = Field(
        ValidationConfig(), description="what happens if the data have anomalies"
    )
    drift: DriftOptions = Field(
        DriftOptions(), description="what happens if new images differ from earlier ones"
    )
    model: ModelOptions = Field(ModelOptions(), description="the network")
    train: TrainOptions = Field(TrainOptions(), description="the training")
    sample: SampleOptions = Field(SampleOptions(), description="how images are drawn")
    evaluate: EvaluateOptions = Field(
        EvaluateOptions(), description="how the quality of samples is judged"
    )
    distill: DistillOptions = Field(
        DistillOptions(), description="a faster student of each blessed model"
    )
    schedule: ScheduleOptions = Field(
        ScheduleOptions(), description="when new data start an unattended run"
    )
    beam: BeamConfig = Field(BeamConfig(), description="where Beam's work runs")
    retention: RetentionOptions = Field(
        RetentionOptions(), description="how much of the output of runs is kept"
    )
    notify: NotifyOptions = Field(
        NotifyOptions(), description="where outcomes and metrics are published"
    )
    kubeflow: KubeflowConfig = Field(KubeflowConfig(), description="the pods on Kubeflow Pipelines")
    vertex: VertexOptions = Field(VertexOptions(), description="the nodes on Vertex AI Pipelines")

    @model_validator(mode="after")
    def _levels_fit_the_resolution(self) -> "PipelineConfig":
        factor = self.model.side_factor
        sides = self.data.resolution
        if any(side % factor for side in sides):
            patches = f"model.patch={self.model.patch} and " if self.model.patch > 1 else ""
            nearest = tuple(max(side, MIN_SIDE + factor - 1) // factor * factor for side in sides)
            raise ValueError(
                f"data.resolution={from_sides(sides)} is not divisible by {factor}, as "
                f"{patches}the {len(self.model.channels)} levels of model.channels require; "
                f"allowed are multiples of {factor}, such as {from_sides(nearest)}"
            )
        return self

    @model_validator(mode="after")
    def _limits_have_images(self) -> "PipelineConfig":
        if self.data.holdout is not None:
            return self
        if self.evaluate.without_holdout() != self.evaluate:
            raise ValueError("evaluate.thresholds: a metric @holdout needs data.holdout")
        if any(name.endswith("@holdout") for name in self.distill.max_worsening):
            raise ValueError("distill.max_worsening: a metric @holdout needs data.holdout")
        return self

    @model_validator(mode="after")
    def _samples_suffice_for_the_limits(self) -> "PipelineConfig":
        require_samples(self.evaluate, self.data)
        return self

    @model_validator(mode="after")
    def _guidance_has_a_label(self) -> "PipelineConfig":
        if self.sample.guidance != 1.0 and not self.model.conditional:
            raise ValueError(
                f"sample.guidance={self.sample.guidance:g} needs model.conditional=true; an "
                "unconditional model has no label to follow"
            )
        return self

    @model_validator(mode="after")
    def _source_fits(self) -> "PipelineConfig":
        if self.source is None:
            if self.model.source != "condition":
                raise ValueError(
                    f"model.source={self.model.source} needs sources: set data.source or "
                    "data.degrade"
                )
            return self
        if self.source.use == "map" and self.model.prediction == "gaussian":
            raise ValueError(
                "model.prediction=gaussian needs noise as x0; with model.source=map use difference"
            )
        if not self.source.paired and self.source.use != "map":
            raise ValueError(
                "data.pairing=none needs model.source=map: no source belongs to an image, so that "
                "a network could learn nothing from seeing one"
            )
        if self.source.paired and self.train.coupling != "independent":
            raise ValueError(
                f"train.coupling={self.train.coupling} ignores which source is of which image; use "
                "independent"
            )
        if self.source.degradation is None:
            return self
        degrade, (kind, amount) = self.data.degrade, self.source.degradation
        if kind == "downscale" and any(side % amount for side in self.data.resolution):
            raise ValueError(
                f"data.degrade={degrade}: does not divide data.resolution="
                f"{from_sides(self.data.resolution)}"
            )
        if kind == "gray" and self.data.channels == 1:
            raise ValueError("data.degrade=gray needs data.channels=3; these images are gray")
        return self

    @model_validator(mode="after")
    def _students_draw_from_noise(self) -> "PipelineConfig":
        if not self.distill.enabled:
            return self
        if self.source is not None:
            raise ValueError(
                "distill.enabled=true needs a model that draws images from noise alone; unset "
                "data.degrade and data.source, or set it to false"
            )
        distill, mark = self.distill, self.sample.mark
        method = distill.method_for(mark)
        if method != "reflow" and mark is not None:
            raise ValueError(
                f"distill.method={method}: its students cannot be inverted, which finding the mark "
                "of sample.mark needs; use auto or reflow"
            )
        if distill.alpha_density != "uniform" and method != "reflow":
            raise ValueError(
                f"distill.alpha_density={distill.alpha_density}: a student by {method} has alphas "
                "of its own; leave it out, or set distill.method=reflow"
            )
        # Not whether they were set: a configuration that is complete has all keys.
        given = distill.pairs != DistillOptions.model_fields["pairs"].default
        if given and not distill.pairs_for(mark):
            raise ValueError(
                f"distill.pairs={distill.pairs}: a student by {method} learns without pairs; leave "
                "it out, or set distill.method=steps"
            )
        limits = self.sample.limits
        if not limits.images_of(self.distill.nfe):
            raise ValueError(
                f"distill.nfe={self.distill.nfe} exceeds sample.limits.nb_step={limits.nb_step} or "
                f"sample.limits.states={limits.states}; raise them or lower nfe"
            )
        sample, tableau = self.sample, TABLEAUS[self.sample.solver]
        evaluations = sample.nb_step * len(tableau.stages)
        evaluations *= evaluations_per_slope(sample.guidance, sample.autoguidance)
        if self.distill.nfe > evaluations and not tableau.embedded:
            raise ValueError(
                f"distill.nfe={self.distill.nfe} would make a slower student: the model itself "
                f"takes {evaluations} network evaluations; lower nfe"
            )
        return self

    @model_validator(mode="after")
    def _marks_are_in_noise(self) -> "PipelineConfig":
        if self.sample.mark is not None and self.source is not None:
            raise ValueError(
                f"sample.mark={self.sample.mark} needs a model that draws images from noise alone; "
                "unset data.degrade and data.source, or unset sample.mark"
            )
        return self

    @model_validator(mode="after")
    def _challengers_can_be_better(self) -> "PipelineConfig":
        schedule = self.schedule
        if not self.train.warm_start or self.evaluate.compares:
            return self
        if schedule.challenger_every or schedule.challenger_on_drift:
            key = "challenger_every" if schedule.challenger_every else "challenger_on_drift"
            raise ValueError(
                f"schedule.{key}: no model from scratch could be better, since no metric in "
                "evaluate.thresholds has max_worsening; set one, or leave challengers out"
            )
        return self

    @property
    def source(self) -> Source | None:
        """How images get sources, and how the network uses them; None for images without."""
        if self.data.degrade is None and self.data.source is None:
            return None
        return Source(
            degrade=self.data.degrade,
            use=self.model.source,
            noise=self.model.source_noise,
            background=self.data.background,
            fit=self.data.fit,
            paired=self.data.pairing == "name",
        )


def load(
    preset: str | None = None, file: Path | None = None, overrides: Sequence[str] = ()
) -> PipelineConfig:
    """Resolves a configuration.

    Relative paths become absolute: those in a file are relative to the folder of the file, those in
    overrides to the working directory. ~ is the home directory.

    Args:
        preset: the name of a preset to start from.
        file: a YAML file whose values replace those of the preset.
        overrides: `key=value` with dots in the key and YAML in the value; the last one wins.

    Raises:
        ConfigError: with one line per invalid key.
    """
    try:
        return PipelineConfig.model_validate(read_values(preset, file, overrides))
    except ValidationError as error:
        lines = [_explain(each) for each in error.errors()[:MAX_ERRORS]]
        if error.error_count() > MAX_ERRORS:
            lines.append(f"and {error.error_count() - MAX_ERRORS:,} more errors")
        raise ConfigError("\n".join(lines)) from None


def require_samples(evaluate: EvaluateOptions, data: DataConfig) -> None:
    """Checks that `samples` are enough for the limits that are configured, as far as can be known.

    Raises:
        ConfigError: a metric with a limit needs more, or cannot be computed in the feature space.
    """
    dimension = evaluate.features.dimension(data.shape)
    for name, threshold in evaluate.thresholds.items():
        needed = images_needed(name, dimension)
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
        if folder and "://" not in folder and workspace.is_relative_to(Path(folder).resolve()):
            raise ConfigError(
                f"data.{key}: the workspace {workspace} is inside it, and a run would read the "
                "output of an earlier one; choose a workspace outside with --workspace"
            )


def _explain(error: ErrorDetails) -> str:
    """One line: the key, its value, what is allowed."""
    if error["type"] != "extra_forbidden":
        return explain(error)
    location = tuple(map(str, error["loc"]))
    return f"{shorten('.'.join(location))}: unknown key; {suggest(PipelineConfig, location)}"


def require_runnable(config: PipelineConfig) -> None:
    """Checks what only a run needs; not at loading, since some keys are chosen later.

    `iadb evaluate` asks the model whether its results have images of their own.

    Raises:
        ConfigError: a metric of results has limits, but images of the run have no sources of their
            own; or a mark could not be found again.
    """
    sample = config.sample
    if sample.mark is not None and sample.autoguidance != 1.0:
        raise ConfigError(
            f"sample.mark={sample.mark} is hardly found in images that are drawn with "
            f"sample.autoguidance={sample.autoguidance:g}; set that to 1, or unset sample.mark"
        )
    paired = config.source is not None and config.source.paired
    if not paired and config.evaluate.without_pairs() != config.evaluate:
        raise ConfigError(
            f"evaluate.thresholds: {', '.join(PAIR_METRICS)} compare results with the images that "
            "they should be, which needs data.source, paired by name, or data.degrade"
        )
