"""What the trainer can be told: the network, the training, the sampling.

Sizes are in pixels, lengths of training in steps, times in seconds. Every section
refuses unknown keys, so that a typing error never passes for a default.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class Options(BaseModel):
    """A section of the configuration: immutable, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, values: Any) -> Any:
        """Python takes true for 1, and YAML `yes` for true."""
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and field.annotation is not bool:
                raise ValueError(f"{name}: got {value}; true and false are no values of it")
        return values


class ModelOptions(Options):
    """The network that deblends: a time-conditional U-Net (trainer/networks/unet.py)."""

    channels: tuple[PositiveInt, ...] = Field(
        (32, 64), min_length=1, description="width of each level, from full resolution down"
    )
    blocks: PositiveInt = Field(2, description="residual blocks a level")
    attention: tuple[bool, ...] = Field(
        (False, True), description="self-attention after the residual blocks, level by level"
    )
    attention_head_dim: PositiveInt = Field(8, description="channels of one attention head")
    norm_groups: PositiveInt = Field(32, description="groups of each GroupNorm")
    dropout: Fraction = Field(0.0, description="dropout inside the residual blocks")
    conditional: bool = Field(
        False, description="condition on the label, the name of the image's first folder"
    )
    alpha_scale: float = Field(
        1000.0,
        gt=0,
        description="alpha is multiplied by this before its sinusoidal embedding; the published "
        "code embeds alpha itself (1.0)",
    )

    @model_validator(mode="after")
    def _levels_agree(self) -> "ModelOptions":
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention names {len(self.attention)} levels, channels {len(self.channels)}: "
                "give one true or false a level"
            )
        for width in self.channels:
            if width % self.norm_groups:
                raise ValueError(
                    f"norm_groups={self.norm_groups} does not divide the width {width} in channels"
                )
            if width % self.attention_head_dim:
                raise ValueError(
                    f"attention_head_dim={self.attention_head_dim} does not divide the width "
                    f"{width} in channels"
                )
        return self


class EmaOptions(Options):
    """The moving average of the weights that samples are drawn with (trainer/step/ema.py)."""

    half_life: PositiveInt = Field(20_000, description="images until a weight counts half")
    warmup: float = Field(
        0.05,
        ge=0,
        description="limits the half-life to this fraction of the images seen (0: no limit)",
    )


class CheckpointOptions(Options):
    """How often the full state is written, and how many are kept."""

    every_seconds: PositiveInt = Field(60, description="seconds between two checkpoints")
    every_images: PositiveInt | None = Field(
        None, description="images between two checkpoints (none: by time alone)"
    )
    keep: PositiveInt = Field(2, description="checkpoints kept")


class TrainOptions(Options):
    """The training loop."""

    steps: PositiveInt = Field(1000, description="batches trained on")
    batch_size: PositiveInt = Field(64, description="images a step, over all replicas")
    optimizer: Literal["adam", "adamw"] = Field("adam", description="optimizer")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of adamw")
    accumulate: PositiveInt = Field(
        1, description="batches whose gradients are averaged into one update of the weights"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    warmup_steps: int = Field(100, ge=0, description="steps of linear learning-rate warm-up")
    decay: Literal["cosine", "constant"] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    clip_norm: float = Field(1.0, gt=0, description="global norm that gradients are clipped to")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="computation type of the network; weights stay float32"
    )
    alpha_density: Literal["uniform", "logit_normal"] = Field(
        "uniform", description="density that alpha is drawn from in training"
    )
    coupling: Literal["independent", "optimal_transport"] = Field(
        "independent", description="how noise and images are paired within a batch"
    )
    label_dropout: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="fraction of images that a conditional network is trained on without their "
        "label, so that it can draw without one, and be guided",
    )
    flip: bool = Field(False, description="random horizontal flips (not for digits or text)")
    ema: EmaOptions = Field(EmaOptions(), description="moving average of the weights")
    checkpoint: CheckpointOptions = Field(
        CheckpointOptions(), description="checkpoints of the training"
    )
    warm_start: bool = Field(
        False,
        description="start from the latest blessed model that was trained on other examples, "
        "instead of from random weights",
    )
    log_every: PositiveInt = Field(50, description="steps between two TensorBoard points")
    grid_every: PositiveInt = Field(500, description="steps between two sample grids")
    shuffle_buffer: PositiveInt = Field(10_000, description="encoded images in the shuffle buffer")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of weights, order, noise and alpha")

    @model_validator(mode="after")
    def _parts_agree(self) -> "TrainOptions":
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} must be below steps={self.steps}")
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(
                f"weight_decay={self.weight_decay:g} is for optimizer=adamw, not {self.optimizer}"
            )
        return self


class SampleOptions(Options):
    """How the ODE dx/dalpha = d(x, alpha) is solved from noise to image."""

    solver: Literal["euler", "midpoint", "heun", "rk4", "bosh3", "dopri5"] = Field(
        "euler",
        description="solver; bosh3 and dopri5 choose the steps of each image by its error "
        "(trainer/ode/runge_kutta.py)",
    )
    grid: Literal["uniform", "cosine", "late"] = Field(
        "uniform",
        description="where the steps lie (trainer/ode/step_grids.py); with bosh3 and dopri5, the "
        "states of a trajectory only",
    )
    nb_step: PositiveInt = Field(
        32,
        description="steps of the solver, at 1 (euler), 2 (midpoint, heun) or 4 (rk4) network "
        "evaluations each; for bosh3 (3) and dopri5 (6) the most that may be tried",
    )
    guidance: float = Field(
        1.0,
        ge=0,
        description="weight of classifier-free guidance, d = d_none + guidance (d_label - d_none), "
        "at two network evaluations for one; 1: none",
    )
    rtol: float = Field(
        1e-3, gt=0, description="error of a step of bosh3 or dopri5, relative to the values"
    )
    atol: float = Field(1e-3, gt=0, description="error that a step may make besides, in [-1, 1]")
