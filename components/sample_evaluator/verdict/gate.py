"""The verdict: whether a candidate is blessed, with the reasons."""

import dataclasses
from collections.abc import Collection, Iterator

from tensorflow_model_analysis.proto import validation_result_pb2

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import (
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    MetricResult,
    Results,
    SourceResult,
    tfma_name,
)
from components.sample_evaluator.options import EvaluateOptions
from trainer.common.text import quantity, side_by_side

# The excess of single-colored samples over held-out images, as a share, that rejects a model: NaN
# in a network becomes such samples in uint8.
MAX_FLAT_EXCESS = 0.01
# The share of samples that are held-out images, pixel by pixel, from which on the reasons say so.
EQUAL_SHARE = 0.01
NOT_FINITE = "the value is not finite"


@dataclasses.dataclass(frozen=True)
class ModelVerdict:
    """The outcome for one candidate.

    Attributes:
        blessed: whether the candidate may be pushed.
        reasons: sentences on the limits that it misses or, if it is blessed, meets.
        failed: names of the metrics whose thresholds it misses.
    """

    blessed: bool
    reasons: tuple[str, ...]
    failed: frozenset[str]


def judge(
    results: Results,
    validation: validation_result_pb2.ValidationResult,
    options: EvaluateOptions,
    candidate_problem: str | None = None,
) -> ModelVerdict:
    """Judges a candidate by TFMA's validation, the number of images and faults of the samples.

    Args:
        results: of all sources.
        validation: TFMA's result for `eval_config.make_eval_config`.
        options: limits, and whether they decide (`bless`).
        candidate_problem: why the candidate cannot be sampled. Such a model is never blessed.
    """
    if candidate_problem is not None:
        problem = f"the candidate cannot be sampled: {candidate_problem}"
        return ModelVerdict(False, (*_image_problems(results, options), problem), frozenset())
    failures = dict(_failures(results, validation, options))
    failed = frozenset(failures.values())
    problems = [
        *_image_problems(results, options),
        *_sample_problems(results),
        *_coverage_problems(results, options),
        *failures,
        *_improvement_problems(results, options, failed),
    ]
    reasons = [*_equal_images(results), *(problems or _kept_limits(results, options))]
    if options.bless == "auto":
        return ModelVerdict(not problems, tuple(reasons), failed)
    found = "misses" if problems else "meets"
    stated = f"evaluate.bless={options.bless} overrides the limits, which the model {found}"
    return ModelVerdict(options.bless == "always", (stated, *reasons), failed)


def _failures(
    results: Results,
    validation: validation_result_pb2.ValidationResult,
    options: EvaluateOptions,
) -> Iterator[tuple[str, str]]:
    """Sentences on the thresholds that are missed over all samples, with the metric of each.

    The thresholds do not apply to single labels, which may have too few images.
    """
    failed = {
        failure.metric_key.name
        for found in validation.metric_validations_per_slice
        if not found.slice_key.single_slice_keys
        for failure in found.failures
    }
    candidate, baseline = results[sources.CANDIDATE], _baseline(results)
    computed = [name for name in options.thresholds if candidate[name].value is not None]
    for name in options.thresholds:
        if name not in computed:
            yield _unavailable_sentence(name, candidate[name]), name
    for name in computed:
        if name in failed:
            yield _limit_sentence(name, candidate[name], options), name
    for name in computed:
        # A baseline without a value rejects nothing.
        if tfma_name(name, "worsening") in failed and baseline[name].value is not None:
            yield _worsening_sentence(name, candidate[name], baseline[name], options), name
    if MEMORIZED_SHARE in failed:
        yield _memorized_sentence(candidate, options), MEMORIZED_SHARE
    if not (failed or validation.validation_ok or validation.metric_validations_per_slice):
        yield "TFMA's validation failed without naming a metric", ""


def _baseline(results: Results) -> SourceResult:
    return results.get(sources.BASELINE, SourceResult())


def _unavailable_sentence(name: str, found: MetricResult) -> str:
    return f"{name} cannot be computed: {found.unavailable or NOT_FINITE}"


def _memorized_sentence(candidate: SourceResult, options: EvaluateOptions) -> str:
    found, mirrored = candidate[MEMORIZED_SHARE], candidate[MIRRORED_SHARE].value
    if found.value is None:
        return _unavailable_sentence(MEMORIZED_SHARE, found)
    share, allowed = side_by_side(100 * found.value, 100 * options.max_memorized, digits=3)
    if mirrored is not None and mirrored > 0.5:
        return (
            f"{share}% of the samples are copies of training images, {mirrored:.0%} of them "
            f"mirrored: at most {allowed}% allowed"
        )
    return (
        f"{share}% of the samples are closer to a training image than held-out images are: at "
        f"most {allowed}% allowed"
    )


def _limit_sentence(name: str, found: MetricResult, options: EvaluateOptions) -> str:
    threshold = options.thresholds[name]
    if threshold.maximum is not None and found.value > threshold.maximum:
        value, limit = side_by_side(found.value, threshold.maximum)
        return f"{name} {value} exceeds {limit}"
    value, limit = side_by_side(found.value, threshold.minimum)
    return f"{name} {value} is below {limit}"


def _worsening_sentence(
    name: str, found: MetricResult, baseline: MetricResult, options: EvaluateOptions
) -> str:
    if found.worsening is None:
        reason = found.worsening_unavailable or NOT_FINITE
        return f"{name} cannot be compared with the baseline: {reason}"
    allowed = options.thresholds[name].max_worsening
    value, other = side_by_side(found.value, baseline.value)
    by, limit = side_by_side(found.worsening + found.margin, allowed + found.margin)
    return (
        f"{name} {value} is worse than the baseline's {other} by {by}: more than {limit}, the "
        f"allowed {allowed:.4g} plus the spread over seeds"
    )


def _equal_images(results: Results) -> Iterator[str]:
    """A sentence if samples are held-out images pixel by pixel: a warning that rejects nothing."""
    candidate = results[sources.CANDIDATE]
    if candidate.equal_images > EQUAL_SHARE * candidate.images:
        samples = quantity(candidate.images, "sample")
        verb = "equals a held-out image" if candidate.equal_images == 1 else "equal held-out images"
        yield (
            f"{candidate.equal_images:,} of {samples} {verb} pixel by pixel: the metrics do not "
            "show how good new images are"
        )


def _image_problems(results: Results, options: EvaluateOptions) -> Iterator[str]:
    count = results[sources.REAL].images
    if count < options.min_samples:
        few = "is too few" if count == 1 else "are too few"
        found = quantity(count, "held-out image")
        yield f"{found} {few}: at least {options.min_samples} are required"


def _sample_problems(results: Results) -> Iterator[str]:
    real, candidate = results[sources.REAL], results[sources.CANDIDATE]
    count = candidate.images
    if count < 2:
        return
    if candidate.distinct_images == 1:
        yield f"all {count} samples are the same image"
    verb = "is" if candidate.flat_images == 1 else "are"
    excess = candidate.flat_images / count - real.flat_images / real.images
    if excess > MAX_FLAT_EXCESS:
        yield (
            f"{candidate.flat_images} of {count} samples {verb} a single color "
            f"(held-out images: {real.flat_images}), as from a network that returns NaN"
        )


def _coverage_problems(results: Results, options: EvaluateOptions) -> Iterator[str]:
    coverage, floor = (results[s]["coverage"].value for s in (sources.CANDIDATE, sources.TRAIN))
    if coverage is None or floor is None:
        return  # too few images, which is a problem of its own
    required = options.min_coverage * floor
    if coverage < required:
        found, needed = side_by_side(100 * coverage, 100 * required, digits=3)
        yield (
            f"the samples cover {found}% of the held-out images: below {needed}%, which is "
            f"{options.min_coverage:.4g} of what training images cover, kinds of images are missing"
        )


def _improvement_problems(
    results: Results, options: EvaluateOptions, failed: Collection[str]
) -> Iterator[str]:
    """Sentences on `require_improvement`, except for metrics in `failed`.

    Requiring all metrics to be better would reject most better models, since the spread over seeds
    hides small steps. Since none may be worse, no metric improves at the cost of another.
    """
    candidate, baseline = results[sources.CANDIDATE], _baseline(results)
    compared = [name for name in options.thresholds if baseline[name].value is not None]
    if not options.require_improvement or not compared:  # there is nothing to improve on
        return
    for name in compared:
        if name not in failed and (candidate[name].worsening or 0) > 0:
            sentence = _beside_baseline(name, candidate[name], baseline[name], "worse")
            yield f"{sentence}, which evaluate.require_improvement does not allow"
    if not any(_is_better(candidate[name]) for name in compared):
        yield (
            f"none of {', '.join(compared)} is better than the baseline's by more than the spread "
            "over seeds, as evaluate.require_improvement requires"
        )


def _is_better(found: MetricResult) -> bool:
    """Whether a metric is better than the baseline's by more than the spread over seeds."""
    # The sum is the difference.
    return found.worsening is not None and found.worsening + found.margin < -found.margin


def _beside_baseline(name: str, found: MetricResult, baseline: MetricResult, how: str) -> str:
    value, other = side_by_side(found.value, baseline.value)
    return (
        f"{name} {value} is {how} than the baseline's {other} by more than the spread over seeds "
        f"({found.margin:.2g})"
    )


def _kept_limits(results: Results, options: EvaluateOptions) -> Iterator[str]:
    for name, threshold in options.thresholds.items():
        found, baseline = results[sources.CANDIDATE][name], _baseline(results)[name]
        stated = f"{name} {found.value:.4g}"
        for limit, relation in ((threshold.minimum, "at least"), (threshold.maximum, "at most")):
            if limit is not None:
                value, allowed = side_by_side(found.value, limit)
                yield f"{name} {value} is {relation} {allowed}"
        if options.require_improvement and _is_better(found):
            yield _beside_baseline(name, found, baseline, "better")
        elif threshold.max_worsening is None:
            continue
        elif baseline.value is None:
            yield f"{stated} has no baseline to compare with"
        else:
            yield (
                f"{stated} is not worse than the baseline's {baseline.value:.4g} by more than "
                f"{threshold.max_worsening:g} plus the spread over seeds ({found.margin:.2g})"
            )
