"""Names in the records of a workspace."""

from enum import StrEnum

CHOSEN = "Chosen"  # the first node of `iadb distill`: the teacher, and what it was made of


class Outcome(StrEnum):
    """How an attempt ended."""

    NOTHING_NEW = "nothing new"
    TOO_FEW = "too few new images"
    BUSY = "workspace in use"
    HELD = "held"  # data held for review
    BLESSED = "blessed"
    NOT_BLESSED = "not blessed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class Decision(StrEnum):
    """What a person changed about the live model."""

    ROLLED_BACK = "rolled back"
    PROMOTED = "promoted"
