"""The verdict: whether a candidate is blessed, and why, in sentences."""

import dataclasses
from collections.abc import Iterator, Mapping

from tensorflow_model_analysis.proto import validation_result_pb2

from components.sample_evaluator import sources
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.tfma_metrics import unavailable_name

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
        validation: TFMA's result for `analysis.make_eval_config`.
        options: minimum number of images, thresholds.
        candidate_problem: why the candidate cannot be sampled, if it cannot.
    """
    failures = {
        _sentence(failure, values, options.thresholds[failure.metric_key.name]): (
            failure.metric_key.name
        )
        for found in validation.metric_validations_per_slice
        for failure in found.failures
    }
    problems = list(_image_problems(values, options))
    if candidate_problem is not None:
        problems.append(f"the candidate cannot be sampled: {candidate_problem}")
    else:
        problems += [*_sample_problems(values), *failures]
    if not (problems or validation.validation_ok):
        problems.append("TFMA's validation failed without naming a metric")
    reasons = problems or list(_kept_limits(values, options.thresholds))
    return Verdict(not problems, tuple(reasons), frozenset(failures.values()))


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


def _sentence(
    failure: validation_result_pb2.ValidationFailure, values: Values, threshold: Threshold
) -> str:
    name = failure.metric_key.name
    candidate = values[sources.CANDIDATE]
    if name not in candidate:
        reason = candidate.get(unavailable_name(name), "there are no images")
        return f"{name} cannot be computed: {reason}"
    if not failure.metric_key.is_diff:
        return f"{name} {candidate[name]:.4g} exceeds {threshold.maximum:g}"
    baseline = values[sources.BASELINE].get(name)
    if baseline is None:
        return f"{name} of the baseline cannot be computed, so that no change can be judged"
    return (
        f"{name} {candidate[name]:.4g} exceeds the baseline's {baseline:.4g} "
        f"by more than {threshold.max_increase:g}"
    )


def _kept_limits(values: Values, thresholds: Mapping[str, Threshold]) -> Iterator[str]:
    for name, threshold in thresholds.items():
        value = values[sources.CANDIDATE][name]
        baseline = values.get(sources.BASELINE, {}).get(name)
        if threshold.maximum is not None:
            yield f"{name} {value:.4g} is at most {threshold.maximum:g}"
        if threshold.max_increase is None:
            continue
        if baseline is None:
            yield f"{name} {value:.4g} has no baseline to be compared with"
        else:
            yield (
                f"{name} {value:.4g} is at most {threshold.max_increase:g} above "
                f"the baseline's {baseline:.4g}"
            )
