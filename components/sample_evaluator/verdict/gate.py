"""The verdict: whether a candidate is blessed, and why, in sentences."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping

from tensorflow_model_analysis.proto import validation_result_pb2

from components.sample_evaluator import sources
from components.sample_evaluator.measure import tfma_metrics
from components.sample_evaluator.measure.tfma_metrics import (
    margin_name,
    unavailable_name,
    worsening_name,
)
from components.sample_evaluator.options import EvaluateOptions

# Share of single-colored samples, beyond that of the held-out images, which blocks a model: what
# NaN in a network looks like in uint8.
MAX_FLAT_EXCESS = 0.01

Values = Mapping[str, Mapping[str, float | str]]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome for one candidate.

    Attributes:
        blessed: whether the candidate may be pushed.
        reasons: why it is not blessed; or, for a blessed one, the limits that it keeps.
        failed: names of the metrics whose thresholds it fails.
    """

    blessed: bool
    reasons: tuple[str, ...]
    failed: frozenset[str]


def judge(
    values: Values,
    validation: validation_result_pb2.ValidationResult,
    options: EvaluateOptions,
    candidate_problem: str | None = None,
) -> Verdict:
    """Judges a candidate by TFMA's validation, the number of images and the look of the samples.

    Args:
        values: by source, by metric, as `analysis.load_values` reads them.
        validation: TFMA's result for `eval_config.make_eval_config`.
        options: limits, and whether they decide (`bless`).
        candidate_problem: why the candidate cannot be sampled, if it cannot. Such a model is never
            blessed.
    """
    if candidate_problem is not None:
        problem = f"the candidate cannot be sampled: {candidate_problem}"
        return Verdict(False, (*_image_problems(values, options), problem), frozenset())
    failures = _failures(values, validation, options)
    failed = frozenset(failures.values())
    problems = [
        *_image_problems(values, options),
        *_sample_problems(values),
        *_coverage_problems(values, options),
        *failures,
        *_improvement_problems(values, options, failed),
    ]
    reasons = problems or list(_kept_limits(values, options))
    if options.bless == "auto":
        return Verdict(not problems, tuple(reasons), failed)
    found = "it fails" if problems else "it keeps"
    stated = f"evaluate.bless={options.bless}, whatever the limits say, which {found}"
    return Verdict(options.bless == "always", (stated, *reasons), failed)


def _failures(
    values: Values,
    validation: validation_result_pb2.ValidationResult,
    options: EvaluateOptions,
) -> dict[str, str]:
    """Sentences on the thresholds that are failed over all samples, with the metric of each.

    A metric that a label has too few images for is no failure of the model.
    """
    failed = [
        failure.metric_key.name
        for found in validation.metric_validations_per_slice
        if not found.slice_key.single_slice_keys
        for failure in found.failures
    ]
    limited = {worsening_name(name): name for name in options.thresholds}
    sentences = {}
    for name in options.thresholds:
        if name not in values[sources.CANDIDATE]:
            sentences[_unavailable_sentence(name, values)] = name
    for name in failed:
        if name in limited:
            sentence = _worsening_sentence(limited[name], values, options)
            if sentence:
                sentences[sentence] = limited[name]
        else:
            sentences[_limit_sentence(name, values, options)] = name
    if not (failed or validation.validation_ok or validation.metric_validations_per_slice):
        sentences["TFMA's validation failed without naming a metric"] = ""
    return sentences


def _unavailable_sentence(name: str, values: Values) -> str:
    reason = values[sources.CANDIDATE].get(unavailable_name(name), "it is not a finite number")
    return f"{name} cannot be computed: {reason}"


def _limit_sentence(name: str, values: Values, options: EvaluateOptions) -> str:
    value = values[sources.CANDIDATE].get(name)
    if value is None:
        return _unavailable_sentence(name, values)
    if name == tfma_metrics.MEMORIZED_SHARE:
        return (
            f"{value:.0%} of the samples are closer to a training image than held-out images are: "
            f"at most {options.max_memorized:.0%} may be"
        )
    threshold = options.thresholds[name]
    if threshold.maximum is not None and value > threshold.maximum:
        return f"{name} {value:.4g} exceeds {threshold.maximum:g}"
    return f"{name} {value:.4g} is below {threshold.minimum:g}"


def _worsening_sentence(name: str, values: Values, options: EvaluateOptions) -> str | None:
    candidate, baseline = values[sources.CANDIDATE], values[sources.BASELINE].get(name)
    # A baseline that cannot be compared blocks nothing; a candidate's own value fails by itself.
    if baseline is None or name not in candidate:
        return None
    allowed = options.thresholds[name].max_worsening
    proven = candidate.get(worsening_name(name))
    if proven is None:
        reason = candidate.get(unavailable_name(worsening_name(name)), "it is not a finite number")
        return f"the change of {name} cannot be judged: {reason}"
    return (
        f"{name} {candidate[name]:.4g} is worse than the baseline's {baseline:.4g} by more than "
        f"{allowed:g} and what seeds explain ({candidate[margin_name(name)]:.2g})"
    )


def _image_problems(values: Values, options: EvaluateOptions) -> Iterator[str]:
    count = values[sources.REAL].get("images", 0)
    if count < options.min_samples:
        yield (
            f"{count:.0f} held-out images are too few to judge by: "
            f"at least {options.min_samples} are needed"
        )


def _sample_problems(values: Values) -> Iterator[str]:
    real, candidate = values[sources.REAL], values[sources.CANDIDATE]
    count = candidate.get("images", 0)
    if count < 2:
        return
    if candidate["distinct_images"] == 1:
        yield f"all {count:.0f} samples are the same image"
    excess = candidate["flat_images"] / count - real["flat_images"] / real["images"]
    if excess > MAX_FLAT_EXCESS:
        yield (
            f"{candidate['flat_images']:.0f} of {count:.0f} samples are a single color "
            f"(held-out images: {real['flat_images']:.0f}), as when a network yields NaN"
        )


def _coverage_problems(values: Values, options: EvaluateOptions) -> Iterator[str]:
    coverage, floor = (values[s].get("coverage") for s in (sources.CANDIDATE, sources.TRAIN))
    if coverage is None or floor is None:
        return  # too few images, which is a problem of its own
    if coverage < options.min_coverage * floor:
        yield (
            f"the samples cover {coverage:.0%} of the held-out images and training images "
            f"{floor:.0%}: below {options.min_coverage:.0%} of these, kinds of images are missing"
        )


def _improvement_problems(
    values: Values, options: EvaluateOptions, failed: Collection[str]
) -> Iterator[str]:
    """Sentences on `require_improvement`, but for metrics that have failed already.

    Asking for all metrics to be better would leave a better model to luck: seeds hide most of a
    small step. That none is worse keeps one metric from being bought with another.
    """
    baseline = values.get(sources.BASELINE, {})
    compared = [name for name in options.thresholds if name in baseline]
    if not options.require_improvement or not compared:  # there is nothing to beat
        return
    for name in compared:
        if name not in failed and _is_worse(name, values):
            yield (
                f"{_beside_baseline(name, values, 'worse')}, which evaluate.require_improvement "
                "rules out"
            )
    if not any(_is_better(name, values) for name in compared):
        yield (
            f"none of {', '.join(compared)} is better than the baseline's by more than what seeds "
            "explain, as evaluate.require_improvement asks"
        )


def _is_worse(name: str, values: Values) -> bool:
    """Whether a metric is worse than the baseline's by more than seeds explain."""
    return values[sources.CANDIDATE].get(worsening_name(name), 0) > 0


def _is_better(name: str, values: Values) -> bool:
    """Whether a metric is better than the baseline's by more than seeds explain."""
    candidate = values[sources.CANDIDATE]
    if worsening_name(name) not in candidate:
        return False
    margin = candidate[margin_name(name)]
    return candidate[worsening_name(name)] + margin < -margin  # the sum is the difference


def _beside_baseline(name: str, values: Values, how: str) -> str:
    candidate, baseline = values[sources.CANDIDATE], values[sources.BASELINE][name]
    return (
        f"{name} {candidate[name]:.4g} is {how} than the baseline's {baseline:.4g} by more than "
        f"what seeds explain ({candidate[margin_name(name)]:.2g})"
    )


def _kept_limits(values: Values, options: EvaluateOptions) -> Iterator[str]:
    candidate = values[sources.CANDIDATE]
    baseline_values = values.get(sources.BASELINE, {})
    for name, threshold in options.thresholds.items():
        value = candidate[name]
        if threshold.minimum is not None:
            yield f"{name} {value:.4g} is at least {threshold.minimum:g}"
        if threshold.maximum is not None:
            yield f"{name} {value:.4g} is at most {threshold.maximum:g}"
        if options.require_improvement and name in baseline_values and _is_better(name, values):
            yield _beside_baseline(name, values, "better")
            continue
        if threshold.max_worsening is None:
            continue
        baseline = baseline_values.get(name)
        if baseline is None:
            yield f"{name} {value:.4g} has no baseline to be compared with"
        else:
            margin = candidate[margin_name(name)]
            yield (
                f"{name} {value:.4g} is not worse than the baseline's {baseline:.4g} by more than "
                f"{threshold.max_worsening:g} and what seeds explain ({margin:.2g})"
            )
