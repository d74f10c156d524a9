"""Options of the distillation: a student that needs few network evaluations, from its teacher."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from components.sample_evaluator.options import (
    DEFAULTS,
    EvaluateOptions,
    MetricName,
    Threshold,
    is_of_pairs,
)
from trainer.common.options import Options
from trainer.options import AlphaDensity

LEAST_STEPS = 2
SHARE_OF_STEPS = 1 / 5  # of the training of a student by mean_flow, in those of its teacher's
STEPS_ON_PAIRS = 2000  # six passes over the default number of pairs, in batches of 64

Method = Literal["mean_flow", "steps", "reflow"]


class DistillOptions(Options):
    """A student for each blessed model: as good with few network evaluations, or not pushed."""

    enabled: bool = Field(
        False,
        description="distill each blessed model into a student, which is pushed in its place if it "
        "is not worse",
    )
    pairs: PositiveInt = Field(
        20_000,
        description="number of images that the teacher draws for the student to learn from, by "
        "steps or reflow",
    )
    method: Literal["auto", "mean_flow", "steps", "reflow"] = Field(
        "auto",
        description="mean_flow: the student learns from the training images and its teacher's "
        "slopes where a step of any length leads, and takes `nfe` of them; steps: it learns from "
        "images that its teacher draws where each of its `nfe` steps has to lead; reflow: it "
        "learns from these straight paths, which are less exact in few steps, but any number can "
        "be taken, and back; auto: mean_flow, or reflow if sample.mark is set, since marks are "
        "found on the way back",
    )
    steps: int | None = Field(
        None,
        ge=LEAST_STEPS,
        description="number of batches to train the student on; null: a fifth of its teacher's "
        "by mean_flow, and 2,000 by steps or reflow",
    )
    nfe: PositiveInt = Field(4, description="network evaluations of the student for an image")
    alpha_density: AlphaDensity = Field(
        "uniform", description="distribution of alpha in the training of a student by reflow"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of the student")
    max_worsening: dict[MetricName, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="by how much a student may be worse than its teacher, beyond the spread over "
        "seeds, by name of the metric; in place of max_worsening in evaluate.thresholds",
    )

    @model_validator(mode="after")
    def _students_do_not_translate(self) -> "DistillOptions":
        for name in self.max_worsening:
            if is_of_pairs(name):
                raise ValueError(
                    f"max_worsening.{name}: is a metric of translations, and models that translate "
                    "are not distilled; leave it out"
                )
        return self

    def method_for(self, mark: int | None) -> Method:
        """The method, of models that set this mark or none."""
        if self.method == "auto":
            return "mean_flow" if mark is None else "reflow"
        return self.method

    def pairs_for(self, mark: int | None) -> int:
        """How many pairs models draw that set this mark or none."""
        return 0 if self.method_for(mark) == "mean_flow" else self.pairs

    def segments_for(self, mark: int | None) -> int:
        """Segments of the path of each pair, of models that set this mark or none."""
        return self.nfe if self.method_for(mark) == "steps" else 1

    def steps_for(self, mark: int | None, of_teacher: int) -> int:
        """Steps of a student's training, of models that set this mark or none.

        Args:
            mark: of the teacher.
            of_teacher: steps of its training.
        """
        if self.steps is not None:
            return self.steps
        if self.pairs_for(mark):
            return STEPS_ON_PAIRS
        return max(LEAST_STEPS, round(SHARE_OF_STEPS * of_teacher))

    def grid_for(self, mark: int | None, of_teacher: str, *, guided: bool) -> str:
        """How the steps of a student are spaced (trainer/ode/step_grids.py).

        Pairs are cut on the grid of the teacher, and straight paths need no shorter steps. For mean
        slopes, equal steps are best without guidance (docs/decisions.md).

        Args:
            mark: of the teacher.
            of_teacher: its grid.
            guided: whether it draws with guidance.
        """
        return {
            "steps": of_teacher,
            "reflow": "uniform",
            "mean_flow": "late" if guided else "uniform",
        }[self.method_for(mark)]

    def judging(self, evaluate: EvaluateOptions) -> EvaluateOptions:
        """How a student is judged.

        It need not be better than its teacher, but is always compared with it, by the default
        metrics if by no others, also where every teacher is blessed.

        Args:
            evaluate: how its teacher was judged.
        """
        found = _allow(evaluate, self.max_worsening)
        if not found.compares:
            compared = ((name, limit.max_worsening) for name, limit in DEFAULTS.items())
            found = _allow(found, {name: most for name, most in compared if most is not None})
        bless = "auto" if evaluate.bless == "always" else evaluate.bless
        return found.model_copy(update={"require_improvement": False, "bless": bless})


def _allow(evaluate: EvaluateOptions, worsening: Mapping[MetricName, float]) -> EvaluateOptions:
    """Replaces `max_worsening` of some thresholds; a dropped metric gets no other limit back."""
    thresholds = dict(evaluate.thresholds)
    for name, allowed in worsening.items():
        limit = thresholds.get(name, Threshold(max_worsening=allowed)) or Threshold(max_place=None)
        thresholds[name] = limit.model_copy(update={"max_worsening": allowed})
    return evaluate.model_copy(update={"thresholds": thresholds})
