"""The limits of a student: it has to be no worse than its teacher, which may miss some itself."""

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import Results
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.places import widen
from components.sample_evaluator.verdict import sentences


def limits_of_student(
    results: Results, options: EvaluateOptions
) -> tuple[EvaluateOptions, dict[str, str]]:
    """Drops the limits that the teacher misses in the same evaluation.

    A teacher that was promoted misses some, and so would every student of it. `max_worsening`
    stays; the limits of a metric without one become what the teacher has.

    Args:
        results: of all sources; the baseline is the teacher.
        options: how the teacher was judged.

    Returns:
        The options to judge the student by, and sentences by the name of each metric that is judged
        without one of its limits.
    """
    thresholds, dropped = dict(options.thresholds), {}
    for name, limit in options.judged.items():
        if results[sources.CANDIDATE][name].value is None:
            continue  # which rejects the student by itself
        changed = _missed_bounds(name, results, limit)
        place = _missed_place(name, results, limit)
        if place is not None:
            changed["max_place"] = place if limit.max_worsening is None else None
        if not changed:
            continue
        thresholds[name] = limit.model_copy(update={**limit.model_dump(), **changed})
        if lost := [field for field, value in changed.items() if value is None]:
            dropped[name] = sentences.left_out(name, "its teacher misses it as well", lost)
    return options.model_copy(update={"thresholds": thresholds}), dropped


def _missed_bounds(name: str, results: Results, limit: Threshold) -> dict[str, float | None]:
    """What replaces the bounds that the teacher misses: its value.

    None where `max_worsening` says how much worse than the teacher the student may be.
    """
    teacher = results[sources.BASELINE][name].value
    missed = [] if teacher is None else limit.missed_bounds(teacher)
    return dict.fromkeys(missed, teacher if limit.max_worsening is None else None)


def _missed_place(name: str, results: Results, limit: Threshold) -> float | None:
    """The place of the teacher between floor and noise if it is beyond the limit, by its error.

    The error is that of the student, which has the same number of samples.
    """
    error = results[sources.CANDIDATE][name].place_margin
    value, floor, noise = (
        results[source][name].value for source in (sources.BASELINE, sources.TRAIN, sources.NOISE)
    )
    if None in (limit.max_place, error, value, floor, noise) or noise == floor:
        return None
    place = (value - floor) / widen(name, noise - floor)
    return place if place - error > limit.max_place else None
