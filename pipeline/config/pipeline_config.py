"""PipelineConfig: everything a user can set, in one validated YAML file.

A configuration starts from a preset or the defaults; a file replaces values, then single overrides
do (`train.steps=500`). Errors are reported before anything starts, one line per key.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from components.drift_gate.options import DriftOptions
from components.image_example_gen.options import MIN_SIDE
from components.metrics import PAIR_METRICS
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config.sections import BeamConfig, DataConfig, ValidationConfig, require_samples
from pipeline.config.unknown_keys import keys_of, suggest
from pipeline.config.values import ConfigError, read_values
from pipeline.distillation.options import DistillOptions
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry.options import RetentionOptions
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.unattended.options import ScheduleOptions
from trainer.common.options import Options
from trainer.common.resolution import from_sides
from trainer.common.text import shorten
from trainer.common.validation import explain
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.methods import TABLEAUS
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.source.options import Source

MAX_ERRORS = 20  # that are shown


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
        steps = self.distill.steps_for(self.train.steps)
        if steps < self.train.accumulate:
            raise ValueError(
                f"distill.steps: {steps} after train.steps={self.train.steps} are fewer than "
                f"train.accumulate={self.train.accumulate}: a student would never change; set more"
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
        if self.distill.nfe > evaluations:
            raise ValueError(
                f"distill.nfe={self.distill.nfe} would make a slower student: the model itself "
                f"takes {evaluations} network evaluations; lower nfe"
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


def _explain(error: ErrorDetails) -> str:
    """One line: the key, its value, what is allowed."""
    location = tuple(map(str, error["loc"]))
    if error["type"] == "model_type":
        return f"{explain(error)}, such as {keys_of(PipelineConfig, location)[0]}"
    if error["type"] != "extra_forbidden":
        return explain(error)
    return f"{shorten('.'.join(location))}: unknown key; {suggest(PipelineConfig, location)}"


def require_runnable(config: PipelineConfig) -> None:
    """Checks what only a run needs; not at loading, since some keys are chosen later.

    `iadb evaluate` asks the model whether its results have images of their own.

    Raises:
        ConfigError: a metric of results has limits, but images of the run have no sources of their
            own.
    """
    paired = config.source is not None and config.source.paired
    if not paired and config.evaluate.without_pairs() != config.evaluate:
        raise ConfigError(
            f"evaluate.thresholds: {', '.join(PAIR_METRICS)} compare results with the images that "
            "they should be, which needs data.source, paired by name, or data.degrade"
        )
