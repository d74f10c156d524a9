"""What a training says, and what it measures: on images, and of a student by mean flow."""

import math
from dataclasses import dataclass

from trainer.source.options import Source

HELD_OUT = 256  # images whose loss is measured


@dataclass(frozen=True)
class Course:
    """What one kind of training differs in from another, once its model is built.

    Attributes:
        about_loss: what to expect of the loss, in one line.
        if_it_rises: what a rising loss of held-out images means, and what helps.
        zero_loss: the largest loss of a network that predicts 0; a larger one has diverged.
        held_out: how many images that loss is measured on.
    """

    about_loss: str
    if_it_rises: str
    zero_loss: float
    held_out: int = HELD_OUT


def on_images(source: Source | None) -> Course:
    """The course of images that have such sources, or none."""
    return Course(
        _about_loss(source),
        "the network begins to repeat its training images; train fewer steps, on more images, or "
        "with a larger train.augment",
        4.0 if _maps(source) else 2.0,
    )


def by_mean_flow() -> Course:
    """The course of a student that learns from the slopes of its teacher."""
    return Course(
        "loss: each step against its first part, by the teacher, and a shorter step for any rest; "
        "small from the start, and it falls little while samples go on improving",
        "the student departs from its teacher; lower distill.learning_rate or train fewer "
        "distill.steps",
        math.inf,  # of slopes whose size depends on the teacher
        held_out=64,  # for each of which the teacher takes several steps
    )


def _maps(source: Source | None) -> bool:
    return source is not None and source.use == "map"


def _about_loss(source: Source | None) -> str:
    if _maps(source):
        zero = "the mean square of image minus source"
    else:  # 1, the variance of the noise, plus the mean square of pixels in [-1, 1]
        zero = "between 1 and 2"
    return (
        f"loss: {zero} for a network that predicts 0; it falls fast, then slowly, and never to 0, "
        "while samples go on improving"
    )
