"""The options of the trainer: network and training.

Sizes are in pixels, lengths of training in steps, times in seconds. Every section rejects unknown
keys, so that a typing error is not mistaken for a default.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from trainer.common.options import Options
from trainer.source.options import Use

# Of an image of a small class in an epoch: about as far as was tried; tiny ones would be copied.
MAX_REPEATS = 5
PIXEL_WIDTH = 16  # channels of each pixel before the last layer of a network with patches

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class ModelOptions(Options):
    """The network that deblends: a time-conditional U-Net (trainer/networks/unet.py)."""

    channels: tuple[PositiveInt, ...] = Field(
        (32, 64),
        min_length=1,
        description="width of each level of the U-Net, from full resolution down",
    )
    blocks: PositiveInt = Field(2, description="residual blocks per level")
    patch: PositiveInt = Field(
        1,
        description="side of the squares of pixels that the network sees as one; 2 does a quarter "
        "of the work at full resolution",
    )
    prediction: Literal["difference", "gaussian"] = Field(
        "difference",
        description="what the last layer predicts: the difference x1 - x0; or the mean and "
        "variance of each pixel of the image, from which the difference from noise follows: this "
        "leaves less noise in flat areas",
    )
    time_embedding: Literal["add", "scale_shift"] = Field(
        "add",
        description="how alpha and the label reach a residual block: added to its channels, or as "
        "scales and shifts of its second normalization, which learns more in the same time",
    )
    attention: tuple[bool, ...] = Field(
        (False, True),
        description="for each level, whether self-attention follows its residual blocks",
    )
    attention_head_dim: PositiveInt = Field(8, description="channels of each attention head")
    norm_groups: PositiveInt = Field(32, description="groups of each group normalization")
    dropout: Fraction = Field(0.0, description="dropout rate inside the residual blocks")
    conditional: bool = Field(
        False,
        description="condition the network on the label of an image, the name of its top folder",
    )
    source: Use = Field(
        "condition",
        description="what a source (data.source, data.degrade) is to the network: condition shows "
        "it beside noise, so that every seed gives another answer; map starts from it in place of "
        "noise, for one answer and a way back",
    )
    source_noise: Fraction = Field(
        0.0,
        description="share of noise blended into a source that is mapped, without which map cannot "
        "add detail",
    )
    alpha_scale: float = Field(
        1000.0,
        gt=0,
        description="factor on alpha before its sinusoidal embedding; the published code uses 1.0",
    )

    @property
    def side_factor(self) -> int:
        """What sides of images are divisible by: each level after the first halves them."""
        return self.patch * 2 ** (len(self.channels) - 1)

    @model_validator(mode="after")
    def _levels_agree(self) -> "ModelOptions":
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention has {len(self.attention)} levels, but channels has "
                f"{len(self.channels)}; give one true or false per level"
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
        if self.source_noise and self.source != "map":
            raise ValueError(
                f"source_noise={self.source_noise:g} needs source=map; with condition the network "
                "starts from noise alone"
            )
        return self


class EmaOptions(Options):
    """The moving average of the weights, which draws the samples (trainer/step/copies.py)."""

    half_life: PositiveInt = Field(
        20_000, description="images after which the contribution of a weight has halved"
    )
    warmup: float = Field(
        0.05,
        ge=0,
        description="limits the half-life to this fraction of the images seen; 0: no limit",
    )


class CheckpointOptions(Options):
    """How often the training state is saved, and how many checkpoints are kept."""

    every_seconds: PositiveInt = Field(60, description="seconds between checkpoints")
    every_images: PositiveInt | None = Field(
        None,
        description="a checkpoint is also due after this many images; unset: by time only",
    )
    keep: PositiveInt = Field(2, description="number of checkpoints to keep")


MAX_STEPS = 10**9


class TrainOptions(Options):
    """The training loop."""

    steps: PositiveInt = Field(1000, le=MAX_STEPS, description="number of batches to train on")
    batch_size: PositiveInt = Field(64, description="images per step, over all replicas")
    optimizer: Literal["muon", "adam"] = Field(
        "muon",
        description="optimization algorithm; muon learned as much as adam in half of the steps "
        "where this was measured",
    )
    accumulate: PositiveInt = Field(
        1, description="number of batches whose gradients are averaged for each weight update"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    warmup_steps: int | None = Field(
        None,
        ge=0,
        description="steps of linear learning-rate warm-up; null: a hundredth of steps, but at "
        "least 100 times accumulate, and at most a tenth",
    )
    decay: Literal["cosine", "constant"] = Field(
        "cosine", description="course of the learning rate after the warm-up"
    )
    clip_norm: float = Field(1.0, gt=0, description="maximum global norm of the gradients")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32",
        description="data type of the training's computation; weights are always float32, and the "
        "model that is exported computes in it; auto: bfloat16 on GPUs or a CPU that multiply it, "
        "else float32",
    )
    label_dropout: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="fraction of images that a conditional network is trained on without their "
        "label; sampling without a label and guidance require it",
    )
    class_balance: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how much more often a conditional network is trained on images of small "
        f"classes, up to {MAX_REPEATS} times: a class of n images is seen in proportion to "
        "n^(1 - class_balance); 0: to its size, 0.5: to the square root of it, 1: all classes "
        "equally often",
    )
    flip: bool = Field(
        False,
        description="also train on images mirrored left to right; the network sees which they are, "
        "and samples are not mirrored",
    )
    augment: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="probability of each of four transforms of a training image: a shift right or "
        "left and one up or down by up to an eighth of a side, a zoom by a fifth, a rotation by 15 "
        "degrees; the network sees them, and samples have none; for few images, 0.15",
    )
    ema: EmaOptions = Field(EmaOptions(), description="moving average of the weights")
    guide_after: float = Field(
        0.08,
        gt=0,
        lt=1,
        description="share of the steps after which the average of the weights is kept as the "
        "guide of sample.autoguidance",
    )
    checkpoint: CheckpointOptions = Field(
        CheckpointOptions(), description="checkpoints of the training"
    )
    warm_start: bool = Field(
        False,
        description="start from the latest blessed model that was trained on other examples "
        "instead of random weights",
    )
    log_every: PositiveInt = Field(50, description="steps between TensorBoard points")
    grid_every: PositiveInt = Field(500, description="steps between sample grids in TensorBoard")
    shuffle_buffer: PositiveInt = Field(
        10_000, description="number of encoded images in the shuffle buffer"
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="seed of weights, order of images, noise and alpha"
    )

    @property
    def guide_step(self) -> int:
        """The step after which the guide is kept, at least 1."""
        return max(1, round(self.guide_after * self.steps))

    @property
    def warmup(self) -> int:
        """Steps of the warm-up, below `steps`."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return min(max(100 * self.accumulate, self.steps // 100), self.steps // 10)

    def check_replicas(self, nb_replica: int) -> None:
        """Raises a ValueError if so many replicas, the GPUs of all workers, cannot train."""
        if self.batch_size % nb_replica:
            raise ValueError(
                f"train.batch_size={self.batch_size} is not divisible by the {nb_replica} "
                "replicas (GPUs of all workers) that share a batch"
            )
        if self.accumulate > 1 and nb_replica > 1:
            # Keras decides on an update where TensorFlow's replicas cannot synchronize.
            raise ValueError(
                f"train.accumulate={self.accumulate} needs a single replica, but there are "
                f"{nb_replica}: set it to 1"
            )

    @model_validator(mode="after")
    def _parts_agree(self) -> "TrainOptions":
        if self.warmup >= self.steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} must be below steps={self.steps}; null derives "
                "it from steps"
            )
        if self.accumulate > self.steps:
            raise ValueError(
                f"accumulate={self.accumulate} exceeds steps={self.steps}: the weights would never "
                "change"
            )
        return self
