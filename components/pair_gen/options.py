"""Options of PairGen."""

from pydantic import Field, PositiveInt

from trainer.common.options import Options


class PairOptions(Options):
    """What PairGen draws.

    Attributes:
        pairs: number of pairs to train on.
        unlabeled: share of the pairs that a conditional teacher draws without a label.
        batch_size: images that it draws at a time.
        partial: folder for the pairs of a run that was stopped.
    """

    pairs: PositiveInt
    unlabeled: float = Field(ge=0, le=1)
    batch_size: PositiveInt
    partial: str
