"""Options of the distillation: a student that needs few network evaluations, from its teacher."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from components.metrics import get_metric
from components.sample_evaluator.options import DEFAULTS, EvaluateOptions, MetricName, Threshold
from trainer.common.options import Options

LEAST_STEPS = 2
SHARE_OF_STEPS = 1 / 5  # of the training of a student, in those of its teacher's


class DistillOptions(Options):
    """A student for each blessed model: as good with few network evaluations, or not pushed."""

    enabled: bool = Field(
        False,
        description="distill each blessed model into a student, which is pushed in its place if it "
        "is not worse",
    )
    steps: int | None = Field(
        None,
        ge=LEAST_STEPS,
        description="number of batches to train the student on; null: a fifth of its teacher's",
    )
    nfe: PositiveInt = Field(4, description="network evaluations of the student for an image")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of the student")
    max_worsening: dict[MetricName, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="by how much a student may be worse than its teacher, beyond the spread over "
        "seeds, by name of the metric; in place of max_worsening in evaluate.thresholds",
    )

    @model_validator(mode="after")
    def _students_do_not_translate(self) -> "DistillOptions":
        for name in self.max_worsening:
            if get_metric(name).paired:
                raise ValueError(
                    f"max_worsening.{name}: is a metric of translations, and models that translate "
                    "are not distilled; leave it out"
                )
        return self

    def steps_for(self, of_teacher: int) -> int:
        """Steps of a student's training, by those of its teacher's."""
        if self.steps is not None:
            return self.steps
        return max(LEAST_STEPS, round(SHARE_OF_STEPS * of_teacher))

    def judging(self, evaluate: EvaluateOptions) -> EvaluateOptions:
        """How a student is judged.

        It is always compared with its teacher, by the default metrics if by no others, also where
        every teacher is blessed.

        Args:
            evaluate: how its teacher was judged.
        """
        found = _allow(evaluate, self.max_worsening)
        if not found.compares:
            compared = ((name, limit.max_worsening) for name, limit in DEFAULTS.items())
            found = _allow(found, {name: most for name, most in compared if most is not None})
        bless = "auto" if evaluate.bless == "always" else evaluate.bless
        return found.model_copy(update={"bless": bless})


def _allow(evaluate: EvaluateOptions, worsening: Mapping[MetricName, float]) -> EvaluateOptions:
    """Replaces `max_worsening` of some thresholds; a dropped metric gets no other limit back."""
    thresholds = dict(evaluate.thresholds)
    for name, allowed in worsening.items():
        limit = thresholds.get(name, Threshold(max_worsening=allowed)) or Threshold(max_place=None)
        thresholds[name] = limit.model_copy(update={"max_worsening": allowed})
    return evaluate.model_copy(update={"thresholds": thresholds})
