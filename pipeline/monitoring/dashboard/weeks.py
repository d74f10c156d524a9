"""What happened in the last weeks as a calendar and in one line."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from pipeline.monitoring.dashboard.wording import OUTCOMES
from pipeline.registry.history import Event
from pipeline.registry.names import Decision, Outcome

WEEKS = 5


def calendar(events: Sequence[Event]) -> list[list[tuple[date, list[Event]]]]:
    """Weeks from Monday to Sunday, up to the week of the latest event.

    A day has one event per outcome, the most serious first; those with nothing to do only if there
    are no others.
    """
    if not events:
        return []
    by_day: dict[date, dict[Outcome | Decision | None, Event]] = defaultdict(dict)
    for event in events:
        by_day[event.started.date()][event.outcome] = event
    last = _monday(max(by_day))
    first = max(last - timedelta(weeks=WEEKS - 1), _monday(min(by_day)))
    days = [first + timedelta(days=i) for i in range((last - first).days + 7)]
    cells = [(day, _most_serious_first(by_day.get(day, {}).values())) for day in days]
    return [cells[i : i + 7] for i in range(0, len(cells), 7)]


def summary(events: Sequence[Event]) -> str:
    """The events in the calendar and their outcomes, in one line."""
    weeks = calendar(events)
    if not weeks:
        return ""
    shown = [each for each in events if each.started.date() >= weeks[0][0][0]]
    kinds = Counter(_kind(each) for each in shown)
    total = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items()]
    outcomes = Counter(each.outcome or "unfinished" for each in shown)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    return f"{', '.join(total)} since {shown[0].started:%-d %B}: {counts}."


def _kind(event: Event) -> str:
    return "check" if event.number else event.cause


def _most_serious_first(events: Iterable[Event]) -> list[Event]:
    found = sorted(events, key=lambda event: list(OUTCOMES).index(event.outcome))
    work = [each for each in found if OUTCOMES[each.outcome].tone != "quiet"]
    return work or found[:1]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
