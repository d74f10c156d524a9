"""The options of sampling: solver, guidance, and what one request may ask for.

They stand apart from those of the training, which change no sample of a model that is trained.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from trainer.common.options import Options

MAX_AUTOGUIDANCE = 100  # beyond any use

Alpha = Annotated[float, Field(ge=0.0, le=1.0)]


class LimitOptions(Options):
    """What one request may ask of the exported sampler; more is an error.

    Without limits one request could occupy a server for hours, or exhaust its memory and thus end
    the requests of others.
    """

    images: int = Field(256, ge=16, description="images per request")
    nb_step: int = Field(1000, ge=16, description="solver steps, where a request sets them")
    states: int = Field(
        16_384,
        ge=256,
        description="images times solver steps, where a request sets the steps; `trajectory` "
        "returns so many images",
    )

    def images_of(self, nb_step: int) -> int:
        """Returns how many images a request with these solver steps may ask for, 0 if none."""
        return min(self.images, self.states // nb_step) if nb_step <= self.nb_step else 0


class SampleOptions(Options):
    """How samples are drawn: the solver of the ODE dx/dalpha = d(x, alpha) from noise to image."""

    solver: Literal["euler", "midpoint", "heun", "rk4"] = Field(
        "euler", description="solver of the ODE"
    )
    grid: Literal["uniform", "late"] = Field(
        "uniform",
        description="spacing of the steps: equal (uniform), or shorter towards the image (late)",
    )
    nb_step: PositiveInt = Field(
        32,
        description="number of solver steps, at 1 (euler), 2 (midpoint, heun) or 4 (rk4) network "
        "evaluations each",
    )
    guidance: float = Field(
        1.0,
        ge=0,
        description="weight of classifier-free guidance, d = d_none + guidance (d_label - d_none); "
        "1: no guidance, any other value doubles the network evaluations",
    )
    autoguidance: float = Field(
        1.0,
        ge=0,
        le=MAX_AUTOGUIDANCE,
        description="weight of autoguidance, d = d_early + autoguidance (d - d_early), with the "
        "network early in its training (train.guide_after): after a long one, 2 makes pictures "
        "clearer; 1: none, any other value doubles the network evaluations",
    )
    autoguidance_interval: tuple[Alpha, Alpha] = Field(
        (0.0, 1.0),
        description="part of the way from noise (0) to image (1) on which there is autoguidance; "
        "in its middle, [0.2, 0.8], a weight changes colors less",
    )
    limits: LimitOptions = Field(
        LimitOptions(), description="what one request may ask of the exported sampler"
    )

    @model_validator(mode="after")
    def _interval_ascends(self) -> "SampleOptions":
        low, high = self.autoguidance_interval
        if low >= high:
            raise ValueError(
                f"autoguidance_interval={[low, high]} must have a start below its end, of 0 to 1"
            )
        return self

    @model_validator(mode="after")
    def _steps_are_within_the_limits(self) -> "SampleOptions":
        if not self.limits.images_of(self.nb_step):
            raise ValueError(
                f"nb_step={self.nb_step} exceeds limits.nb_step={self.limits.nb_step} or "
                f"limits.states={self.limits.states}; raise them or lower nb_step"
            )
        return self
