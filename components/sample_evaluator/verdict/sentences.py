"""The sentences of a verdict: which limits a candidate misses or meets, and by how much."""

from collections.abc import Iterator, Sequence

from components.metrics.kinds import Kind
from components.sample_evaluator.measure.results import MetricResult
from components.sample_evaluator.options import Threshold
from trainer.common.text import list_some, percentage, side_by_side

NOT_FINITE = "the value is not finite"
NO_OTHER_LIMIT = "it does not copy more training images than is allowed, and no other limit applies"


def nothing_judged(example: str) -> str:
    """All limits were left out, so that noise would pass."""
    return f"no limit could be applied: {example}"


def no_comparison(baseline_problem: str) -> str:
    """A baseline is damaged, so that nobody knows whether the candidate is worse."""
    return (
        f"it cannot be compared with the baseline, which is damaged: {baseline_problem}; restore "
        "that model for later ones, or promote one in its place"
    )


def unavailable(name: str, found: MetricResult) -> str:
    """A metric that cannot be computed of the candidate, though of training images."""
    return f"{name} cannot be computed: {found.unavailable or NOT_FINITE}"


def left_out(name: str, reason: str, lost: Sequence[str] = ()) -> str:
    """A metric that cannot be judged, or not by some of its limits."""
    without = f"is judged without {' and '.join(lost)}" if lost else "is not judged"
    return f"{name} {without}: {reason}"


def beyond_bounds(name: str, found: MetricResult, threshold: Threshold) -> str:
    """A value above its maximum or below its minimum."""
    if threshold.maximum is not None and found.value > threshold.maximum:
        value, limit = side_by_side(found.value, threshold.maximum)
        return f"{name} {value} exceeds {limit}"
    value, limit = side_by_side(found.value, threshold.minimum)
    return f"{name} {value} is below {limit}"


def too_near_to_noise(
    name: str, found: MetricResult, floor: MetricResult, threshold: Threshold
) -> str:
    """A place between floor and noise beyond its limit."""
    value, real = side_by_side(found.value, floor.value)
    place, allowed = _percent(found.proven_place, threshold.max_place)
    return (
        f"{name} {value} is at least {place}% of the way from that of training images, {real}, to "
        f"that of noise: at most {allowed}% allowed"
    )


def below_the_best(name: str, found: MetricResult, best: float, allowed: float) -> str:
    """A place further from the floor than that of the best earlier model."""
    place, limit = _percent(found.proven_place, allowed)
    return (
        f"{name} {found.value:.4g} is at least {place}% of the way from that of training images to "
        f"that of noise, and that of the best earlier model at most {100 * max(best, 0):.3g}%: at "
        f"most {limit}% allowed"
    )


def worse(name: str, found: MetricResult, baseline: MetricResult, threshold: Threshold) -> str:
    """A value worse than the baseline's by more than is allowed."""
    if found.worsening is None:
        return f"{name} cannot be compared with the baseline: {NOT_FINITE}"
    allowed = threshold.max_worsening
    value, other = side_by_side(found.value, baseline.value)
    by, limit = side_by_side(found.worsening + found.margin, allowed + found.margin)
    return (
        f"{name} {value} is worse than the baseline's {other} by {by}: more than {limit}, the "
        f"allowed {allowed:.4g} plus the spread over seeds"
    )


def memorized(share: float, mirrored: float | None, allowed: float) -> str:
    """Too many copies of training images."""
    found, limit = _percent(share, allowed)
    if mirrored is not None and mirrored > 0.5:
        return (
            f"{found}% of the samples are copies of training images, {mirrored:.0%} of them "
            f"mirrored: at most {limit}% allowed"
        )
    return (
        f"{found}% of the samples are closer to a training image than held-out images are: at "
        f"most {limit}% allowed"
    )


def ignored_sources(found: float, other: float, gain: float) -> str:
    """Results that could as well be those for other sources."""
    value, unrelated = side_by_side(found, other)
    return (
        f"psnr {value} is not {gain:g} above that of other held-out images, {unrelated}: the model "
        "ignores its sources"
    )


def ignored_labels(followed: float, least: float) -> str:
    """Samples that do not show the classes that they were asked for."""
    return (
        "the model ignores its labels: a classifier finds the class that was asked for "
        f"{percentage(max(followed, 0.0))} as far above chance as for held-out images; at least "
        f"{percentage(least)} are required"
    )


def missing(kinds: Sequence[Kind], by: str) -> str:
    """Classes or clusters of images that are missing among the samples."""
    names = list_some([kind.name for kind in kinds])
    drawn, expected = sum(kind.estimated for kind in kinds), sum(kind.expected for kind in kinds)
    if len(kinds) == 1:
        return f"the {by} {names} is missing: {drawn:.0f} samples, {expected:.0f} expected"
    plural = {"class": "classes", "cluster": "clusters"}[by]
    return (
        f"{len(kinds)} {plural} are missing, {names}: {drawn:.0f} samples of them, "
        f"{expected:.0f} expected"
    )


def unknown_classes(labels: Sequence[str]) -> str:
    """Classes of held-out images that a conditional model was not trained on."""
    classes = "class" if len(labels) == 1 else "classes"
    return (
        f"the model does not know the {classes} {list_some(labels)}, of which its training had no "
        "image; if all are held out because they look alike, data.near_duplicates=off divides them"
    )


def within_bounds(name: str, found: MetricResult, threshold: Threshold) -> Iterator[str]:
    """The bounds that a value keeps."""
    for limit, relation in (
        (threshold.minimum, "at least"),
        (threshold.maximum, "at most"),
    ):
        if limit is not None:
            value, allowed = side_by_side(found.value, limit)
            yield f"{name} {value} is {relation} {allowed}"


def placed(name: str, found: MetricResult, threshold: Threshold) -> str:
    """A place that is kept, for a list."""
    place = 100 * max(found.proven_place, 0)
    digits = 2 if place < 99.5 else 3  # two would be an exponent
    return f"{name} {place:.{digits}g}% (at most {100 * threshold.max_place:.3g}%)"


def _percent(share: float, limit: float) -> tuple[str, str]:
    return side_by_side(100 * share, 100 * limit, digits=3)
