"""The verdict: whether a candidate is blessed, with the reasons."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.metrics.kinds import Kinds
from components.sample_evaluator.measure.results import Results
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict import faults
from components.sample_evaluator.verdict.checks import (
    BASELINE,
    CANDIDATE,
    KEPT,
    LEFT_OUT,
    LIMITS,
    MISSED,
    VALUE,
    Check,
    missed,
)
from components.sample_evaluator.verdict.limits import limit_checks

NO_OTHER_LIMIT = "it does not copy more training images than is allowed, and no other limit applies"


@dataclasses.dataclass(frozen=True)
class ModelVerdict:
    """The outcome for one candidate.

    Attributes:
        blessed: whether the candidate may be pushed.
        reasons: sentences on the limits that it misses or, if it is blessed, meets.
        checks: what was judged.
        warnings: sentences that reject nothing.
    """

    blessed: bool
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(
    results: Results,
    options: EvaluateOptions,
    candidate_problem: str | None = None,
    kinds: Kinds | None = None,
    best: Mapping[str, float] | None = None,
    dropped: Sequence[Check] = (),
    baseline_problem: str | None = None,
) -> ModelVerdict:
    """Judges a candidate: it is blessed if it misses no check.

    Args:
        results: of all sources.
        options: limits, and whether they decide (`bless`).
        candidate_problem: why the candidate cannot be sampled. Such a model is never blessed.
        kinds: which kinds of images the candidate draws; None if that is not known.
        best: the best place of earlier blessed models by metric, with its error on top.
        dropped: checks of limits that `student.limits_of_student` left out.
        baseline_problem: why a damaged baseline cannot be sampled: a model that is worse than the
            live one would replace it.
    """
    checks = [*faults.image_checks(results, options)]
    if candidate_problem is not None:
        problem = f"the candidate cannot be sampled: {candidate_problem}"
        checks.append(Check(CANDIDATE, VALUE, MISSED, problem))
        return ModelVerdict(False, tuple(missed(checks).values()), tuple(checks))
    checks += faults.sample_checks(results)
    if baseline_problem is not None and options.compares:
        damaged = (
            f"it cannot be compared with the baseline, which is damaged: {baseline_problem}; "
            "restore that model for later ones, or promote one in its place"
        )
        checks.append(Check(BASELINE, VALUE, MISSED, damaged))
    checks += limit_checks(results, options, kinds, best or {})
    kept = list(_kept(checks))
    lost = next((each.sentence for each in checks if each.outcome == LEFT_OUT), None)
    if lost and not kept and not missed(checks):  # noise would pass
        checks.append(Check(LIMITS, VALUE, MISSED, f"no limit could be applied: {lost}"))
    problems = list(missed(checks).values())
    reasons = problems or kept or [NO_OTHER_LIMIT]
    blessed = not problems
    if options.bless != "auto":
        found = "misses" if problems else "meets"
        stated = f"evaluate.bless={options.bless} overrides the limits, which the model {found}"
        blessed, reasons = options.bless == "always", [stated, *reasons]
    warnings = tuple(faults.warnings(results))
    return ModelVerdict(blessed, tuple(reasons), (*dropped, *checks), warnings)


def _kept(checks: Iterable[Check]) -> Iterator[str]:
    """The sentences of kept limits, which have one: values, places in one line, and changes."""
    kept = [each for each in checks if each.outcome == KEPT and each.sentence]
    yield from (each.sentence for each in kept if each.by in ("minimum", "maximum"))
    if places := [each.sentence for each in kept if each.by == "max_place"]:
        yield f"on the way from real images to noise, less the error: {', '.join(places)}"
    yield from (each.sentence for each in kept if each.by == "max_worsening")
