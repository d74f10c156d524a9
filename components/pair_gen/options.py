"""Options of PairGen."""

from pydantic import Field, PositiveInt

from trainer.common.options import Options


class PairOptions(Options):
    """What PairGen draws.

    Attributes:
        pairs: number of pairs to train on.
        segments: that the path of each is divided into, whose ends are kept.
        unlabeled: share of the pairs that a conditional teacher draws without a label.
        batch_size: images that it draws at a time.
        folder: for folders of pairs, which outlive the run that drew them.
    """

    pairs: PositiveInt
    segments: PositiveInt
    unlabeled: float = Field(ge=0, le=1)
    batch_size: PositiveInt
    folder: str


def steps_per_segment(nb_step: int, segments: int) -> int:
    """Solver steps of a teacher in each segment, so that all are at least its own nb_step."""
    return -(-nb_step // segments)


def steps_per_pair(nb_step: int, segments: int) -> int:
    """Solver steps of a teacher in all segments: its own nb_step, raised to a multiple of them."""
    return segments * steps_per_segment(nb_step, segments)
