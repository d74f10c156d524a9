"""The checks by limits: of metrics, copies, kinds of images, labels and sources."""

import operator
from collections.abc import Iterable, Iterator, Mapping

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
from components.sample_evaluator.verdict.checks import (
    BEST,
    KINDS,
    LEFT_OUT,
    MISSED,
    VALUE,
    Check,
    compare,
)
from trainer.common.text import list_some, percentage, side_by_side

# By how much of `max_place` a model may be further from the floor than the best earlier one.
BEST_SLACK = 0.25
# How far samples have to be recognized as the classes that they were asked for: 0 by chance, 1 as
# held-out images are.
MIN_FOLLOWED = 0.25
# By how many dB results have to be nearer to their images than other held-out images are.
MIN_PSNR_GAIN = 0.5
PSNR = "psnr"
NOT_FINITE = "the value is not finite"


def limit_checks(
    results: Results, options: EvaluateOptions, kinds: Kinds, best: Mapping[str, float]
) -> Iterator[Check]:
    """Compares a candidate with all limits, over all samples: those of a label may be too few.

    Args:
        results: of all sources.
        options: limits.
        kinds: which kinds of images the candidate draws.
        best: the best place of earlier blessed models by metric, with its error on top.
    """
    for name, limit in options.judged.items():
        if results[sources.CANDIDATE][name].value is None:
            yield _without_value(name, results)
        else:
            yield from _metric(name, limit, results, best.get(name))
    yield _copies(results[sources.CANDIDATE], options.max_memorized)
    if options.limits != "none":
        yield from _kinds(kinds)
        yield from _sources(results)


def left_out(name: str, reason: str, lost: Iterable[str] = ()) -> str:
    """A sentence on a metric that is not judged, or only without the limits that are lost."""
    without = " and ".join(lost)
    return f"{name} is {f'judged without {without}' if without else 'not judged'}: {reason}"


def _without_value(name: str, results: Results) -> Check:
    """Left out where training images have no value either, as there are too few images."""
    found = results[sources.CANDIDATE][name]
    if results[sources.TRAIN][name].value is not None:
        return _not_computed(name, found)
    # An error needs more images than the value, so its reason names enough.
    of_error = found.proven_place_unavailable or found.worsening_unavailable
    reason = of_error or found.unavailable or NOT_FINITE
    return Check(name, VALUE, LEFT_OUT, left_out(name, reason))


def _not_computed(name: str, found: MetricResult) -> Check:
    reason = found.unavailable or NOT_FINITE
    return Check(name, VALUE, MISSED, f"{name} cannot be computed: {reason}")


def _metric(name: str, limit: Threshold, results: Results, best: float | None) -> Iterator[Check]:
    """The checks of a metric with a value; the first that is missed is the reason."""
    found, lost = results[sources.CANDIDATE][name], {}
    yield from bound_checks(name, found.value, limit)
    if limit.max_place is not None:
        if found.proven_place is None:
            lost["max_place"] = found.proven_place_unavailable or NOT_FINITE
        else:
            yield _place(name, found, results[sources.TRAIN][name].value, limit.max_place)
    # A baseline without a value rejects nothing; nor does an error that needs more images.
    baseline = results.get(sources.BASELINE, SourceResult())[name].value
    if limit.max_worsening is not None and baseline is not None:
        if found.worsening_unavailable:
            lost["max_worsening"] = found.worsening_unavailable
        else:
            yield _worsening(name, found, baseline, limit.max_worsening)
    if None not in (limit.max_place, found.proven_place, best):
        yield _beside_best(name, found, best, limit.max_place)
    if lost:
        others = [field for field, value in limit if value is not None and field not in lost]
        sentence = left_out(name, next(iter(lost.values())), lost if others else ())
        yield from (Check(name, field, LEFT_OUT, sentence) for field in lost)


def bound_checks(name: str, value: float, limit: Threshold) -> Iterator[Check]:
    """Compares a value with the minimum and the maximum, if there are any."""
    for field, bound, is_beyond, missed, kept in (
        ("minimum", limit.minimum, operator.lt, "is below", "is at least"),
        ("maximum", limit.maximum, operator.gt, "exceeds", "is at most"),
    ):
        if bound is not None:
            is_missed = is_beyond(value, bound)
            found, allowed = side_by_side(value, bound)
            sentence = f"{name} {found} {missed if is_missed else kept} {allowed}"
            yield compare(name, field, is_missed, (value, None, bound), sentence, sentence)


def _place(name: str, found: MetricResult, floor: float, limit: float) -> Check:
    """Whether it is too near to noise, by what the error leaves beyond doubt."""
    value, real = side_by_side(found.value, floor)
    place, allowed = _percent(found.proven_place, limit)
    missed = (
        f"{name} {value} is at least {place}% of the way from that of training images, {real}, to "
        f"that of noise: at most {allowed}% allowed"
    )
    shown = 100 * max(found.proven_place, 0)
    digits = 2 if shown < 99.5 else 3  # two would be an exponent
    kept = f"{name} {shown:.{digits}g}% (at most {100 * limit:.3g}%)"
    numbers = (found.place, found.place_margin, limit)
    return compare(name, "max_place", found.proven_place > limit, numbers, missed, kept)


def _worsening(name: str, found: MetricResult, baseline: float, limit: float) -> Check:
    """Whether it is worse than the baseline, by more than is allowed and than seeds explain."""
    if found.worsening is None:
        missed = f"{name} cannot be compared with the baseline: {NOT_FINITE}"
        return Check(name, "max_worsening", MISSED, missed)
    difference = found.worsening + found.margin
    value, other = side_by_side(found.value, baseline)
    by, allowed = side_by_side(difference, limit + found.margin)
    missed = (
        f"{name} {value} is worse than the baseline's {other} by {by}: more than {allowed}, the "
        f"allowed {limit:.4g} plus the spread over seeds"
    )
    kept = (
        f"{name} {found.value:.4g} is not worse than the baseline's {baseline:.4g} by more than "
        f"{limit:g} plus the spread over seeds ({found.margin:.2g})"
    )
    numbers = (difference, found.margin, limit)
    return compare(name, "max_worsening", found.worsening > limit, numbers, missed, kept)


def _beside_best(name: str, found: MetricResult, best: float, max_place: float) -> Check:
    """Whether it is further from the floor than the best earlier model."""
    limit = max(best, 0) + BEST_SLACK * max_place
    place, allowed = _percent(found.proven_place, limit)
    missed = (
        f"{name} {found.value:.4g} is at least {place}% of the way from that of training images to "
        f"that of noise, and that of the best earlier model at most {100 * max(best, 0):.3g}%: at "
        f"most {allowed}% allowed"
    )
    numbers = (found.place, found.place_margin, limit)
    return compare(name, BEST, found.proven_place > limit, numbers, missed)


def _copies(candidate: SourceResult, limit: float) -> Check:
    found, mirrored = candidate[MEMORIZED_SHARE], candidate[MIRRORED_SHARE].value
    if found.value is None:
        return _not_computed(MEMORIZED_SHARE, found)
    share, allowed = _percent(found.value, limit)
    said = "are closer to a training image than held-out images are"
    if mirrored is not None and mirrored > 0.5:
        said = f"are copies of training images, {mirrored:.0%} of them mirrored"
    missed = f"{share}% of the samples {said}: at most {allowed}% allowed"
    numbers = (found.value, None, limit)
    return compare(MEMORIZED_SHARE, "maximum", found.value > limit, numbers, missed)


def _kinds(kinds: Kinds) -> Iterator[Check]:
    """Whether classes or clusters are missing, and whether samples show what labels ask for."""
    if kinds.by:
        lacking = [kind for kind in kinds.kinds if kind.missing]
        names = list_some([kind.name for kind in lacking])
        drawn = sum(kind.estimated for kind in lacking)
        expected = sum(kind.expected for kind in lacking)
        plural = {"class": "classes", "cluster": "clusters"}[kinds.by]
        said = f"{len(lacking)} {plural} are missing, {names}: {drawn:.0f} samples of them"
        if len(lacking) == 1:
            said = f"the {kinds.by} {names} is missing: {drawn:.0f} samples"
        missed = f"{said}, {expected:.0f} expected"
        yield compare(KINDS, "missing", bool(lacking), (len(lacking), None, 0), missed)
    if (followed := kinds.followed) is not None:
        error = 2 * kinds.followed_error
        missed = (
            "the model ignores its labels: a classifier finds the class that was asked for "
            f"{percentage(max(followed, 0.0))} as far above chance as for held-out images; at "
            f"least {percentage(MIN_FOLLOWED)} are required"
        )
        numbers = (followed, error, MIN_FOLLOWED)
        yield compare(KINDS, "followed", followed + error < MIN_FOLLOWED, numbers, missed)


def _sources(results: Results) -> Iterator[Check]:
    """Whether results could as well be those for other sources."""
    # Both are for the same sources; all results would be for more of them.
    found, other = (
        results.get(source, SourceResult())[PSNR].value
        for source in (sources.ANSWER, sources.OTHER)
    )
    if None not in (found, other):
        limit = other + MIN_PSNR_GAIN
        value, unrelated = side_by_side(found, other)
        missed = (
            f"psnr {value} is not {MIN_PSNR_GAIN:g} above that of other held-out images, "
            f"{unrelated}: the model ignores its sources"
        )
        yield compare(PSNR, sources.OTHER, found < limit, (found, None, limit), missed)


def _percent(share: float, limit: float) -> tuple[str, str]:
    return side_by_side(100 * share, 100 * limit, digits=3)
