"""The verdict: whether a candidate is blessed, with the reasons.

A student has to be no worse than its teacher, which may miss some limits itself.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from components.metrics import get_metric
from components.metrics.kinds import Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import Results
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.samples.sampler import OtherDataError, SamplerError
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
from components.sample_evaluator.verdict.history import best_places
from components.sample_evaluator.verdict.limits import bound_checks, left_out, limit_checks

NO_OTHER_LIMIT = "it does not copy more training images than is allowed, and no other limit applies"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a candidate is judged by.

    Attributes:
        results: of all sources.
        options: limits, and whether they decide (`bless`).
        kinds: which kinds of images the candidate draws, if that is known.
        earlier: the models blessed before, from `history.earlier_metrics`.
        problems: why models cannot be sampled, by source. Such a candidate is never blessed; if it
            is the baseline that is damaged, a model that is worse than the live one would replace
            it.
        by_teacher: whether the baseline is the teacher of the candidate, a student: it is compared
            with no other models, and rejected by no limit that its teacher misses.
    """

    results: Results
    options: EvaluateOptions
    kinds: Kinds = dataclasses.field(default_factory=Kinds)
    earlier: Sequence[Mapping[str, Any]] = ()
    problems: Mapping[str, SamplerError] = dataclasses.field(default_factory=dict)
    by_teacher: bool = False

    @functools.cached_property
    def best(self) -> dict[str, float]:
        """The best place of earlier models by metric, with its error on top."""
        return {} if self.by_teacher else best_places(self.earlier)


@dataclasses.dataclass(frozen=True)
class ModelVerdict:
    """The outcome for one candidate.

    Attributes:
        blessed: whether the candidate may be pushed.
        reasons: sentences on the limits that it misses or, if it is blessed, meets.
        checks: what was judged.
        warnings: sentences that reject nothing.
        limits: of the metrics that were judged; those of a student may be its teacher's values.
    """

    blessed: bool
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    warnings: tuple[str, ...] = ()
    limits: Mapping[str, Threshold] = dataclasses.field(default_factory=dict)


def judge(measured: Measured) -> ModelVerdict:
    """Judges a candidate: it is blessed if it misses no check."""
    results, options, dropped = measured.results, measured.options, []
    if measured.by_teacher and sources.BASELINE in results:
        options, dropped = _limits_of_student(results, options)
    checks = [*faults.image_checks(results, options)]
    if problem := measured.problems.get(sources.CANDIDATE):
        unusable = f"the candidate cannot be sampled: {problem}"
        checks.append(Check(CANDIDATE, VALUE, MISSED, unusable))
        reasons = tuple(missed(checks).values())
        return ModelVerdict(False, reasons, tuple(checks), limits=options.judged)
    checks += faults.sample_checks(results)
    problem = measured.problems.get(sources.BASELINE)
    if problem and not isinstance(problem, OtherDataError) and options.compares:
        damaged = (
            f"it cannot be compared with the baseline, which is damaged: {problem}; restore that "
            "model for later ones, or promote one in its place"
        )
        checks.append(Check(BASELINE, VALUE, MISSED, damaged))
    checks += limit_checks(results, options, measured.kinds, measured.best)
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
    return ModelVerdict(blessed, tuple(reasons), (*dropped, *checks), warnings, options.judged)


def _kept(checks: Iterable[Check]) -> Iterator[str]:
    """The sentences of kept limits, which have one: values, places in one line, and changes."""
    kept = [each for each in checks if each.outcome == KEPT and each.sentence]
    yield from (each.sentence for each in kept if each.by in ("minimum", "maximum"))
    if places := [each.sentence for each in kept if each.by == "max_place"]:
        yield f"on the way from real images to noise, less the error: {', '.join(places)}"
    yield from (each.sentence for each in kept if each.by == "max_worsening")


def _limits_of_student(
    results: Results, options: EvaluateOptions
) -> tuple[EvaluateOptions, list[Check]]:
    """Drops the limits that the teacher misses in the same evaluation; also as checks left out.

    A teacher that was promoted misses some, and so would every student of it. `max_worsening`
    stays; the limits of a metric without one become what the teacher has.
    """
    thresholds, dropped = dict(options.thresholds), []
    for name, limit in options.judged.items():
        if results[sources.CANDIDATE][name].value is None:
            continue  # which rejects the student by itself
        missed = _missed_by_teacher(name, results, limit)
        if missed and limit.max_worsening is not None:
            sentence = left_out(name, "its teacher misses it as well", missed)
            dropped += [Check(name, field, LEFT_OUT, sentence) for field in missed]
            missed = dict.fromkeys(missed)
        if missed:
            thresholds[name] = limit.model_copy(update={**limit.model_dump(), **missed})
    return options.model_copy(update={"thresholds": thresholds}), dropped


def _missed_by_teacher(name: str, results: Results, limit: Threshold) -> dict[str, float]:
    """What the teacher has, by the names of the limits that it misses.

    Its place is taken to have the error of the student's, of which there are as many samples.
    """
    error = results[sources.CANDIDATE][name].place_margin
    value, floor, noise = (
        results[source][name].value for source in (sources.BASELINE, sources.TRAIN, sources.NOISE)
    )
    if value is None:
        return {}
    bounds = bound_checks(name, value, limit)
    missed = {check.by: value for check in bounds if check.outcome == MISSED}
    if None not in (limit.max_place, error, floor, noise) and noise != floor:
        place = (value - floor) / get_metric(name).widen(noise - floor)
        if place - error > limit.max_place:
            missed["max_place"] = place
    return missed
