"""Options of the distillation: a student that needs few network evaluations, from its teacher."""

from pydantic import Field, PositiveInt

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
