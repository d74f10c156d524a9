"""The verdict: whether a candidate is blessed, with the reasons."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping

from components.metrics.kinds import Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import (
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    MetricResult,
    Results,
    SourceResult,
)
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict import faults, sentences

# By how much of `max_place` a model may be further from the floor than the best earlier one.
BEST_SLACK = 0.25
# How far samples have to be recognized as the classes that they were asked for: 0 by chance, 1 as
# held-out images are.
MIN_FOLLOWED = 0.25
KINDS = "kinds"  # of images, among the names of what a candidate fails in


@dataclasses.dataclass(frozen=True)
class ModelVerdict:
    """The outcome for one candidate.

    Attributes:
        blessed: whether the candidate may be pushed.
        reasons: sentences on the limits that it misses or, if it is blessed, meets.
        failed: sentences by the name of the metric whose limit it misses, or `kinds`.
        left_out: sentences by the name of each metric that could not be judged, or not by all of
            its limits.
        warnings: sentences that reject nothing.
    """

    blessed: bool
    reasons: tuple[str, ...]
    failed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def judge(
    results: Results,
    options: EvaluateOptions,
    candidate_problem: str | None = None,
    kinds: Kinds | None = None,
    best: Mapping[str, float] | None = None,
    dropped: Mapping[str, str] | None = None,
    baseline_problem: str | None = None,
) -> ModelVerdict:
    """Judges a candidate by the limits, the number of images and faults of the samples.

    Args:
        results: of all sources.
        options: limits, and whether they decide (`bless`).
        candidate_problem: why the candidate cannot be sampled. Such a model is never blessed.
        kinds: which kinds of images the candidate draws; None if that is not known.
        best: the best place of earlier blessed models by metric, with its error on top.
        dropped: sentences by the name of each metric that has lost a limit, from
            `student.limits_of_student`.
        baseline_problem: why a damaged baseline cannot be sampled: a model that is worse than the
            live one would replace it.
    """
    if candidate_problem is not None:
        problem = f"the candidate cannot be sampled: {candidate_problem}"
        return ModelVerdict(False, (*faults.image_problems(results, options), problem))
    unjudged = dict(_left_out(results, options))
    left_out = {**(dropped or {}), **unjudged}
    failed = dict(_failures(results, options, left_out, best or {}))
    if kinds and options.limits != "none" and (lacking := [k for k in kinds.kinds if k.missing]):
        failed[KINDS] = sentences.missing(lacking, kinds.by)
    followed = kinds.followed if kinds and options.limits != "none" else None
    if followed is not None and followed + 2 * kinds.followed_error < MIN_FOLLOWED:
        failed.setdefault(KINDS, sentences.ignored_labels(followed, MIN_FOLLOWED))
    if options.limits != "none" and (ignored := faults.ignored_sources(results)):
        failed.setdefault(faults.PSNR, ignored)
    unread = []
    if baseline_problem is not None and options.compares:
        unread = [sentences.no_comparison(baseline_problem)]
    problems = [
        *faults.image_problems(results, options),
        *faults.sample_problems(results),
        *unread,
        *failed.values(),
    ]
    kept = list(_kept_limits(results, options))
    if unjudged and not kept and not problems:
        problems = [sentences.nothing_judged(next(iter(unjudged.values())))]
    reasons = problems or kept or [sentences.NO_OTHER_LIMIT]
    blessed = not problems
    if options.bless != "auto":
        found = "misses" if problems else "meets"
        stated = f"evaluate.bless={options.bless} overrides the limits, which the model {found}"
        blessed, reasons = options.bless == "always", [stated, *reasons]
    return ModelVerdict(blessed, tuple(reasons), failed, left_out, tuple(faults.warnings(results)))


def _left_out(results: Results, options: EvaluateOptions) -> Iterator[tuple[str, str]]:
    """The metrics with limits that could not be judged of a perfect model either.

    There are too few images for a value, or for its error, or noise is no worse than real images.
    """
    candidate, floor, baseline = _compared(results)
    for name, limit in options.judged.items():
        found = candidate[name]
        if found.value is None:
            if floor[name].value is None:
                # An error needs more images than the value, so its reason names enough.
                of_error = found.proven_place_unavailable or found.worsening_unavailable
                reason = of_error or found.unavailable or sentences.NOT_FINITE
                yield name, sentences.left_out(name, reason)
            continue
        lost = {}
        if limit.max_place is not None and found.proven_place is None:
            lost["max_place"] = found.proven_place_unavailable or sentences.NOT_FINITE
        if found.worsening_unavailable and baseline[name].value is not None:
            lost["max_worsening"] = found.worsening_unavailable
        if lost:
            reason = next(iter(lost.values()))
            kept = [field for field, value in limit if value is not None and field not in lost]
            yield name, sentences.left_out(name, reason, tuple(lost) if kept else ())


def _compared(results: Results) -> tuple[SourceResult, SourceResult, SourceResult]:
    """Candidate, floor and baseline, which is empty if there is none."""
    return results[sources.CANDIDATE], results[sources.TRAIN], _baseline(results)


def _failures(
    results: Results,
    options: EvaluateOptions,
    left_out: Collection[str],
    best: Mapping[str, float],
) -> Iterator[tuple[str, str]]:
    """Metrics whose limits are missed over all samples, with a sentence on the first of these.

    The limits do not apply to single labels, which may have too few images.
    """
    candidate, floor, baseline = _compared(results)
    for name, limit in options.judged.items():
        found = candidate[name]
        if found.value is None:
            if name not in left_out:
                yield name, sentences.unavailable(name, found)
        elif limit.missed_bounds(found.value):
            yield name, sentences.beyond_bounds(name, found, limit)
        elif _is_beyond_place(found, limit):
            yield name, sentences.too_near_to_noise(name, found, floor[name], limit)
        # A baseline without a value rejects nothing; nor does an error that needs more images.
        elif baseline[name].value is not None and _is_worse(found, limit):
            yield name, sentences.worse(name, found, baseline[name], limit)
        elif name in best and limit.max_place is not None and found.proven_place is not None:
            allowed = max(best[name], 0) + BEST_SLACK * limit.max_place
            if found.proven_place > allowed:
                yield name, sentences.below_the_best(name, found, best[name], allowed)
    memorized = candidate[MEMORIZED_SHARE].value
    if memorized is None or memorized > options.max_memorized:
        yield MEMORIZED_SHARE, _memorized_sentence(candidate, options)


def _is_beyond_place(found: MetricResult, limit: Threshold) -> bool:
    return None not in (found.proven_place, limit.max_place) and (
        found.proven_place > limit.max_place
    )


def _is_worse(found: MetricResult, limit: Threshold) -> bool:
    """Whether a metric is worse than the baseline's by more than its limit, or by no number."""
    if limit.max_worsening is None or found.worsening_unavailable:
        return False
    return found.worsening is None or found.worsening > limit.max_worsening


def _memorized_sentence(candidate: SourceResult, options: EvaluateOptions) -> str:
    found = candidate[MEMORIZED_SHARE]
    if found.value is None:
        return sentences.unavailable(MEMORIZED_SHARE, found)
    mirrored = candidate[MIRRORED_SHARE].value
    return sentences.memorized(found.value, mirrored, options.max_memorized)


def _baseline(results: Results) -> SourceResult:
    return results.get(sources.BASELINE, SourceResult())


def _kept_limits(results: Results, options: EvaluateOptions) -> Iterator[str]:
    candidate, baseline = results[sources.CANDIDATE], _baseline(results)
    judged = {
        name: limit for name, limit in options.judged.items() if candidate[name].value is not None
    }
    for name, limit in judged.items():
        yield from sentences.within_bounds(name, candidate[name], limit)
    placed = [
        sentences.placed(name, candidate[name], limit)
        for name, limit in judged.items()
        if limit.max_place is not None and candidate[name].place is not None
    ]
    if placed:
        yield f"on the way from real images to noise, less the error: {', '.join(placed)}"
    for name, limit in judged.items():
        found = candidate[name]
        if limit.max_worsening is None or None in (found.worsening, baseline[name].value):
            continue
        yield (
            f"{name} {found.value:.4g} is not worse than the baseline's "
            f"{baseline[name].value:.4g} by more than {limit.max_worsening:g} plus the spread "
            f"over seeds ({found.margin:.2g})"
        )
