"""The metrics of the images of each source.

Each source is compared with the source `real`, or with `holdout` if the metric's name says so. Of a
model that translates pairs, `holdout` is compared with the results for its own sources:
`candidate@holdout`, for example.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.images.image_set import ImageSet
from components.metrics import (
    AT_HOLDOUT,
    CATALOG,
    HOLDOUT_METRICS,
    HOLDOUT_PAIR_METRICS,
    PAIR_METRICS,
    get_metric,
)
from components.metrics.arrays import MetricError
from components.metrics.fidelity_and_diversity import FidelityAndDiversity, fidelity_and_diversity
from components.metrics.image_statistics import spectrum_ratio
from components.metrics.jackknife import change, leave_out, worsening
from components.metrics.kid import kid_over_subsets
from components.metrics.memorization import memorization_of, spread_of
from components.metrics.pair_scores import feature_distances
from components.metrics.threads import blas_threads
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import (
    DISTANCE_RATIO,
    MEMORIZED_SHARE,
    MIRRORED_SHARE,
    MetricResult,
    Results,
    SourceResult,
)
from components.sample_evaluator.options import EvaluateOptions
from trainer.common.progress import Report, report

METRICS = "metrics"  # the phase
MAX_SUBSET = 1000  # images in a subset for the standard deviation of KID
_WITH_SPECTRA = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)

Sets = Mapping[str, ImageSet]  # by source


class Measurement(NamedTuple):
    """Numbers of one source that one function computes together.

    Attributes:
        source: of the images.
        function: from all images, the source and the first metric to numbers; raises MetricError.
        numbers: of each number, the metric and the field of its MetricResult.
        of_whole: whether it is left out for the images of one label.
    """

    source: str
    function: Callable[[Sets, str, str], Sequence[float]]
    numbers: Sequence[tuple[str, str]]
    of_whole: bool = False


def has_pairs(sets: Sets) -> bool:
    """Whether the samples are results for the sources of held-out images."""
    return sources.SOURCE in sets and sets[sources.SOURCE].scores is not None


def plan(options: EvaluateOptions, sets: Sets) -> list[Measurement]:
    """Lists what is measured of which source, by the limits that apply."""
    judged = _judged(sets)
    found = list(_comparisons(sets, judged))
    candidate = sources.CANDIDATE
    found.append(Measurement(candidate, kid_stddev, [("kid", "stddev")], of_whole=True))
    for name, limit in options.judged.items():
        if limit.max_place is not None:
            numbers = [(name, "proven_place"), (name, "place_margin")]
            found.append(Measurement(candidate, _place, numbers, of_whole=True))
        if sources.BASELINE in sets and limit.max_worsening is not None:
            numbers = [(name, "worsening"), (name, "margin")]
            found.append(Measurement(candidate, _worsening, numbers, of_whole=True))
    memorization = [(name, "value") for name in (MEMORIZED_SHARE, DISTANCE_RATIO, MIRRORED_SHARE)]
    found += [Measurement(source, _memorization, memorization) for source in judged]
    return found


def _comparisons(sets: Sets, judged: Sequence[str]) -> Iterator[Measurement]:
    beside, holdout = _beside(sets), sources.HOLDOUT in sets
    shown = beside[:1]  # the sources themselves
    for source in (*judged, sources.TRAIN, sources.NOISE, *shown):
        for name in (*CATALOG, *(HOLDOUT_METRICS if holdout else ())):
            if name not in FidelityAndDiversity._fields:
                yield _value_of(source, name)
        numbers = [(name, "value") for name in FidelityAndDiversity._fields]
        yield Measurement(source, _fidelity_and_diversity, numbers)
    if has_pairs(sets):
        for source in (*judged, *beside):
            yield from (_value_of(source, name) for name in PAIR_METRICS)
        for source in (*judged, *shown) if holdout else ():
            yield from (_value_of(source, name) for name in HOLDOUT_PAIR_METRICS)
    if beside:
        # They are fewer than the results, on which the expected value of KID does not depend.
        yield from (_value_of(name, "kid") for name in (sources.ANSWER, sources.MEAN_ANSWER))


def _judged(sets: Sets) -> list[str]:
    """The sources whose images are drawn by models, or stand in for them."""
    return [sources.CANDIDATE, *([sources.BASELINE] if sources.BASELINE in sets else [])]


def _beside(sets: Sets) -> list[str]:
    """The sources of what stands beside the results of a candidate that translates."""
    found = sources.BESIDE_RESULTS if sources.SOURCE in sets else ()
    return [name for name in found if has_pairs(sets) or name != sources.OTHER]


def _value_of(source: str, metric: str) -> Measurement:
    return Measurement(source, _value, [(metric, "value")])


def measure(sets: Sets, measurements: Sequence[Measurement], *, by_label: bool = False) -> Results:
    """Computes the metrics.

    Args:
        sets: the images.
        measurements: what is measured.
        by_label: whether to measure the images of each label as well.
    """
    real = [sources.REAL, *([sources.HOLDOUT] if sources.HOLDOUT in sets else [])]
    names = [*_judged(sets), sources.TRAIN, sources.NOISE, *real, *_beside(sets)]
    labels = sorted(
        {label for found in sets.values() for label in found.labels} if by_label else ()
    )
    of_labels = [each for each in measurements if not each.of_whole]
    expected = len(measurements) + len(labels) * len(of_labels)
    report(Report(METRICS, expected=expected, unit=""))
    dimension = max((found.vectors.shape[1] for found in sets.values()), default=0)
    with blas_threads(dimension):
        whole = _measure(sets, measurements, names)
        parts = {label: _measure(_labeled(sets, label), of_labels, names) for label in labels}
    return {
        source: dataclasses.replace(
            result, classes={label: part[source] for label, part in parts.items()}
        )
        for source, result in whole.items()
    }


def compare_spectra(sets: Sets) -> dict[str, list[float]] | None:
    """The power of images relative to that of held-out images, for metrics.json.

    Returns:
        The frequencies, in cycles per image, and a ratio for each of them by source, where there is
        more than a single image; None without held-out images.
    """
    if sources.REAL not in sets:
        return None
    real = sets[sources.REAL].statistics.spectrum
    found: dict[str, list[float]] = {"frequencies": list(range(1, real.shape[1] + 1))}
    for source in _WITH_SPECTRA:
        with contextlib.suppress(MetricError):  # a single image, or none
            ratio = spectrum_ratio(real, _of(sets, source).statistics.spectrum)
            found[source] = [float(f"{value:.6g}") for value in ratio]
    return found


def _labeled(sets: Sets, label: str) -> Sets:
    """The images with a label, of the sources that have any."""
    rows = {
        name: np.array([each == label for each in found.labels]) for name, found in sets.items()
    }
    return {name: found.take(rows[name]) for name, found in sets.items() if rows[name].any()}


def _measure(sets: Sets, measurements: Sequence[Measurement], names: Sequence[str]) -> Results:
    found: dict[str, dict[str, dict[str, float | str]]] = {name: {} for name in names}
    for source, function, numbers, _ in measurements:
        metrics = found[source]
        try:
            values = function(sets, source, numbers[0][0])
        except MetricError as error:
            for metric, field in numbers:
                name = "unavailable" if field == "value" else f"{field}_unavailable"
                if name in MetricResult.__dataclass_fields__:
                    metrics.setdefault(metric, {})[name] = str(error)
        else:
            for (metric, field), value in zip(numbers, values, strict=True):
                if math.isfinite(value):
                    metrics.setdefault(metric, {})[field] = float(value)
        report(Report(METRICS, done=1, unit=""))
    return {
        name: dataclasses.replace(
            _count(sets, name),
            metrics={metric: MetricResult(**fields) for metric, fields in metrics.items()},
        )
        for name, metrics in found.items()
    }


def _count(sets: Sets, source: str) -> SourceResult:
    if source not in sets:
        return SourceResult()
    found = sets[source]
    held_out = sets[sources.REAL].digests if sources.REAL in sets else []
    return SourceResult(
        images=len(found),
        flat_images=int(found.flat.sum()),
        distinct_images=len(np.unique(found.digests)),
        equal_images=int(np.isin(found.digests, held_out).sum()),
    )


def _value(sets: Sets, source: str, metric: str) -> Sequence[float]:
    compared = get_metric(metric)
    real, generated = (_array(sets, name, metric) for name in (_reference(metric), source))
    return [compared.function(real, generated)]


def _fidelity_and_diversity(sets: Sets, source: str, _: str) -> FidelityAndDiversity:
    return fidelity_and_diversity(_of(sets, sources.REAL).vectors, _of(sets, source).vectors)


def kid_stddev(sets: Sets, source: str, _: str) -> Sequence[float]:
    """The standard deviation of KID over subsets of the images."""
    real, generated = _of(sets, sources.REAL).vectors, _of(sets, source).vectors
    # At most half of the rows: subsets of nearly all rows are all alike.
    size = min(MAX_SUBSET, len(real) // 2, len(generated) // 2)
    return [kid_over_subsets(real, generated, subset_size=size).stddev]


def _worsening(sets: Sets, source: str, metric: str) -> Sequence[float]:
    compared = get_metric(metric)
    real, candidate, baseline = (
        _array(sets, name, metric) for name in (_reference(metric), source, sources.BASELINE)
    )
    found = worsening(compared, real, candidate, baseline)
    return found.proven, found.margin


def _place(sets: Sets, source: str, metric: str) -> Sequence[float]:
    """Where a metric is between floor and noise, with what the choice of images explains."""
    compared = get_metric(metric)
    real, generated, floor, noise = (
        _array(sets, name, metric)
        for name in (_reference(metric), source, sources.TRAIN, sources.NOISE)
    )
    count = min(len(generated), len(floor))
    samples, at_floor = (leave_out(compared, real, each[:count]) for each in (generated, floor))
    found = change(compared, samples, at_floor)
    sign = -1 if compared.larger_is_better else 1
    span = sign * (compared.function(real, noise[:count]) - at_floor.whole)
    # Where noise is near, its own error decides and not the candidate's, or an erratic candidate
    # would have no place.
    if span <= found.margin:
        at_noise = leave_out(compared, real, noise[:count])
        if change(compared, at_noise, at_floor).proven <= 0:
            raise MetricError("noise cannot be told from training images")
    span = compared.widen(span)
    return found.proven / span, found.margin / span


def _memorization(sets: Sets, source: str, _: str) -> Sequence[float]:
    held_out, generated = _of(sets, sources.REAL), _of(sets, source)
    found = memorization_of(
        held_out.distances, generated.distances, spread_of(held_out.views[:, 0]), generated.mirrored
    )
    return found.share, found.distance_ratio, found.mirrored_share


def _array(sets: Sets, source: str, metric: str) -> np.ndarray:
    """What a metric compares of the images of a source, float [N, k]."""
    found, array = _of(sets, _compared(sets, source, metric)), get_metric(metric).array
    if not get_metric(metric).paired:
        return found.array(array)
    reference = _reference(metric)
    real = _of(sets, reference)
    if source == reference:  # results have scores beside these, which have none
        return real.vectors
    if not found.scores:
        raise MetricError(f"the images of {source} are no results for held-out images")
    if array == "feature_distance":
        # Results are sorted by their seeds, which follow the order of the held-out images.
        return feature_distances(real.vectors, found.vectors)[:, None]
    return getattr(found.scores, array)


def _reference(metric: str) -> str:
    """The source of real images that a metric compares with."""
    return sources.HOLDOUT if metric.endswith(AT_HOLDOUT) else sources.REAL


def _compared(sets: Sets, source: str, metric: str) -> str:
    """The source of the images that a metric compares: results for data.holdout if there are any.

    What draws from no source has none, and its images are compared with any reference.
    """
    at_holdout = f"{source}{AT_HOLDOUT}"
    return at_holdout if metric.endswith(AT_HOLDOUT) and at_holdout in sets else source


def _of(sets: Sets, source: str) -> ImageSet:
    if source not in sets:
        raise MetricError(f"there are no images of {source}")
    return sets[source]
