"""Options of the distillation: a student that needs few network evaluations, from its teacher."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from components.sample_evaluator.options import (
    DEFAULTS,
    PAIR_METRICS,
    EvaluateOptions,
    MetricName,
    Threshold,
)
from trainer.common.options import Options
from trainer.options import AlphaDensity


class DistillOptions(Options):
    """A student for each blessed model: as good with few network evaluations, or not pushed."""

    enabled: bool = Field(
        False,
        description="distill each blessed model into a student, which is pushed in its place if it "
        "is not worse",
    )
    pairs: PositiveInt = Field(
        20_000, description="number of images that the teacher draws for the student to learn from"
    )
    steps: int = Field(2000, ge=2, description="number of batches to train the student on")
    nfe: PositiveInt = Field(4, description="network evaluations of the student for an image")
    alpha_density: AlphaDensity = Field(
        "uniform", description="distribution of alpha in the training of the student"
    )
    learning_rate: float = Field(5e-4, gt=0, description="peak learning rate of the student")
    max_worsening: dict[MetricName, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="by how much a student may be worse than its teacher, beyond the spread over "
        "seeds, by name of the metric; in place of max_worsening in evaluate.thresholds",
    )

    @model_validator(mode="after")
    def _students_do_not_translate(self) -> "DistillOptions":
        for name in PAIR_METRICS:
            if name in self.max_worsening:
                raise ValueError(
                    f"max_worsening.{name}: is a metric of translations, and models that translate "
                    "are not distilled; leave it out"
                )
        return self

    def judging(self, evaluate: EvaluateOptions) -> EvaluateOptions:
        """How a student is judged.

        It need not be better than its teacher, but is always compared with it, by the default
        metrics if by no others, also where every teacher is blessed.

        Args:
            evaluate: how its teacher was judged.
        """
        found = _allow(evaluate, self.max_worsening)
        if all(limit.max_worsening is None for limit in found.judged.values()):
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
