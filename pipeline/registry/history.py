"""What happened in a workspace, in one list: checks, runs that no check started, and decisions.

Checks come from the journal; runs, distillations, rollbacks and promotions from ML Metadata, which
retention never shortens.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.registry.journal import Attempt
from pipeline.registry.lineage import Run
from pipeline.registry.models import RegisteredModel
from pipeline.registry.names import Decision, Outcome
from pipeline.registry.outcome import parse_result

# Causes, beside those of checks.
RUN, DISTILLATION, ROLLBACK, PROMOTION = "run", "distillation", "rollback", "promotion"


@dataclass(frozen=True)
class Event(Attempt):
    """A check, a run that none started, a distillation, a rollback or a promotion, as a check.

    Attributes:
        number: of a check; None for the others.
        cause: that of a check; `run`, `distillation`, `rollback` or `promotion` for the others.
        outcome: an Outcome, or a Decision; None for what runs or was killed.
        models: numbers of the models that it judged, withdrew or promoted.
    """

    number: int | None
    outcome: Outcome | Decision | None = None
    models: tuple[int, ...] = ()


def events(
    attempts: Sequence[Attempt], runs: Sequence[Run], models: Sequence[RegisteredModel]
) -> list[Event]:
    """Everything that happened, oldest first, with aware times in the local time zone.

    Args:
        attempts: all checks of the journal.
        runs: all runs, oldest first.
        models: all models.
    """
    by_id = {run.id: run for run in runs}
    claimed = {number for attempt in attempts for number in attempt.runs}
    found = [_check(attempt, by_id) for attempt in attempts]
    unclaimed = [run_event(run) for run in runs if run.id not in claimed]
    # One `iadb run` has two pipeline runs if a model was pushed again.
    found += {event.runs: event for event in unclaimed}.values()
    found += [*_rollbacks(models), *_promotions(models)]
    return sorted(found, key=lambda event: event.started)


def newest_check(happened: Sequence[Event]) -> Event | None:
    """The newest check, whatever its clock said; None if there was none."""
    return max((e for e in happened if e.number), key=lambda e: e.number, default=None)


def newest_run(happened: Sequence[Event], runs: Sequence[Run]) -> Event | None:
    """The newest run that no check started, whatever its clock said; None if there was none.

    Args:
        happened: as of `events`.
        runs: all runs, oldest first.
    """
    started = {r: e for e in happened if e.cause in (RUN, DISTILLATION) for r in e.runs}
    return next((started[run.id] for run in reversed(runs) if run.id in started), None)


def run_event(run: Run) -> Event:
    """A run as an event. One that recorded no result is judged by its nodes.

    Such a run was killed, still runs, or is of a version that recorded no results.
    """
    result = parse_result(run.result)
    cause = DISTILLATION if run.is_distillation else RUN
    if result:
        return Event(
            number=None,
            started=result.started.astimezone(),
            cause=cause,
            ended=result.ended.astimezone(),
            outcome=result.outcome,
            message=result.message,
            exit_code=result.exit_code,
            tries=1,
            runs=result.runs,
            models=() if result.model is None else (result.model,),
        )
    failed = [node.id for node in run.nodes if node.state == "failed"]
    outcome, message = None, ""
    if failed:
        outcome, message = Outcome.FAILED, f"{failed[0]} failed"
    elif run.blessed is not None and run.is_decided:
        outcome = Outcome.BLESSED if run.blessed else Outcome.NOT_BLESSED
        message = run.reason or ""
    return Event(
        number=None,
        started=run.started.astimezone(),
        cause=cause,
        outcome=outcome,
        message=message,
        tries=1,
        runs=(run.id,),
        models=() if run.model_number is None else (run.model_number,),
    )


def _check(attempt: Attempt, runs: dict[str, Run]) -> Event:
    numbers = (runs[run].model_number for run in attempt.runs if run in runs)
    return Event(**vars(attempt), models=tuple(dict.fromkeys(n for n in numbers if n is not None)))


def _rollbacks(models: Sequence[RegisteredModel]) -> Iterator[Event]:
    withdrawn = defaultdict(list)
    for model in models:
        if model.withdrawn and model.withdrawn_at:
            withdrawn[model.withdrawn_at, model.withdrawn].append(model.number)
    for (time, reason), numbers in withdrawn.items():
        yield _decision(ROLLBACK, time, Decision.ROLLED_BACK, reason, numbers)


def _promotions(models: Sequence[RegisteredModel]) -> Iterator[Event]:
    for model in models:
        if model.promoted:
            message = f"{model.promoted_by}: {model.promoted}"
            yield _decision(
                PROMOTION, model.promoted_at, Decision.PROMOTED, message, [model.number]
            )


def _decision(
    cause: str, time: str, decision: Decision, message: str, models: Sequence[int]
) -> Event:
    at = datetime.fromisoformat(time).astimezone()
    return Event(
        number=None,
        started=at,
        cause=cause,
        ended=at,
        outcome=decision,
        message=message,
        models=tuple(models),
    )
