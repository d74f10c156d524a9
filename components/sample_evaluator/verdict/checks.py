"""The list of checks that a verdict is made of, which all its readers read.

It is in metrics.json as `checks`. A metric has a check by each limit that applies to it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from components.sample_evaluator.measure.results import MEMORIZED_SHARE

KEPT, MISSED, LEFT_OUT = "kept", "missed", "left out"  # outcomes

# What is checked beside metrics.
IMAGES, COPIES, KINDS, BASELINE = "images", MEMORIZED_SHARE, "kinds", "baseline"
DISTINCT, FLAT = "repeated_samples", "flat_samples"
CANDIDATE = "candidate"  # whether it can be sampled
LIMITS = "limits"  # whether any of them could be applied

# What metrics are checked by, beside the fields of a Threshold: there is a value at all; the place
# of the best earlier model.
VALUE, BEST = "value", "best"

Numbers = tuple[float | None, float | None, float | None]  # value, error and limit


class Check(NamedTuple):
    """One thing that decides whether a model is blessed.

    Attributes:
        name: what is checked: a metric, or one of those above.
        by: the limit: a field of Threshold, or one of those above.
        outcome: KEPT, MISSED or LEFT_OUT, which a model is not to blame for.
        sentence: for a person; None if there is nothing to say, as of most that are kept.
        value: what was measured; None if it could not be, or is no number.
        error: by which the value may miss the limit.
        limit: what the value must not be beyond.
    """

    name: str
    by: str
    outcome: str
    sentence: str | None = None
    value: float | None = None
    error: float | None = None
    limit: float | None = None


def compare(
    name: str, by: str, is_missed: bool, numbers: Numbers, missed: str, kept: str | None = None
) -> Check:
    """A check that is missed or kept, with its numbers and the sentence for that."""
    return Check(name, by, *((MISSED, missed) if is_missed else (KEPT, kept)), *numbers)


def read_checks(metrics: Mapping[str, Any]) -> list[Check]:
    """The checks in the content of metrics.json."""
    return [Check(**each) for each in metrics["checks"]]


def outcome_of(checks: Iterable[Check], name: str) -> str | None:
    """The outcome of all checks of a name; None if it was not judged."""
    found = {check.outcome for check in checks if check.name == name}
    return next((each for each in (MISSED, KEPT, LEFT_OUT) if each in found), None)


def missed(checks: Iterable[Check]) -> dict[str, str]:
    """By name of what was missed, the sentence on the first of its limits."""
    found: dict[str, str] = {}
    for check in checks:
        if check.outcome == MISSED:
            found.setdefault(check.name, check.sentence)
    return found


def left_out(checks: Iterable[Check]) -> list[str]:
    """The sentences on what was left out; several limits of a metric may share one."""
    return list(dict.fromkeys(each.sentence for each in checks if each.outcome == LEFT_OUT))
