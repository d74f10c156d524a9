"""The limits of a student: it has to be no worse than its teacher, which may miss some itself."""

from components.metrics import get_metric
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import Results
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import LEFT_OUT, MISSED, Check
from components.sample_evaluator.verdict.limits import bound_checks, left_out


def limits_of_student(
    results: Results, options: EvaluateOptions
) -> tuple[EvaluateOptions, list[Check]]:
    """Drops the limits that the teacher misses in the same evaluation.

    A teacher that was promoted misses some, and so would every student of it. `max_worsening`
    stays; the limits of a metric without one become what the teacher has.

    Args:
        results: of all sources; the baseline is the teacher.
        options: how the teacher was judged.

    Returns:
        The options to judge the student by, and the limits that they lack as checks left out.
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
