"""The checks of the last weeks as a calendar and in one line."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta

from pipeline.monitoring.dashboard.collect import Overview
from pipeline.monitoring.dashboard.wording import OUTCOMES
from pipeline.registry.journal import Attempt, Outcome

WEEKS = 5


def calendar(overview: Overview) -> list[list[tuple[date, list[Attempt]]]]:
    """Weeks from Monday to Sunday, up to the week of the latest check.

    A day has one check per outcome, the most serious first; those with nothing to do only if there
    are no others.
    """
    if not overview.attempts:
        return []
    by_day: dict[date, dict[Outcome | None, Attempt]] = defaultdict(dict)
    for attempt in overview.attempts:
        by_day[attempt.started.date()][attempt.outcome] = attempt
    last = _monday(overview.attempts[-1].started.date())
    first = max(last - timedelta(weeks=WEEKS - 1), _monday(min(by_day)))
    days = [first + timedelta(days=i) for i in range((last - first).days + 7)]
    cells = [(day, _most_serious_first(by_day.get(day, {}))) for day in days]
    return [cells[i : i + 7] for i in range(0, len(cells), 7)]


def summary(overview: Overview) -> str:
    """The outcomes of the checks in the calendar, in one line."""
    weeks = calendar(overview)
    if not weeks:
        return ""
    attempts = [each for each in overview.attempts if each.started.date() >= weeks[0][0][0]]
    outcomes = Counter(each.outcome or "unfinished" for each in attempts)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    total = f"{len(attempts)} check{'' if len(attempts) == 1 else 's'}"
    return f"{total} since {attempts[0].started:%-d %B}: {counts}."


def _most_serious_first(attempts: Mapping[Outcome | None, Attempt]) -> list[Attempt]:
    outcomes = sorted(attempts, key=list(OUTCOMES).index)
    work = [each for each in outcomes if OUTCOMES[each].tone != "quiet"]
    return [attempts[each] for each in work or outcomes[:1]]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
