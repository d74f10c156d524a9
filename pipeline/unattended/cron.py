"""Cron expressions: the times at which they are due, and their form for Kubeflow Pipelines.

cronsim has the times of cron (Vixie's and cronie): if both days are restricted, either is due,
unless a field starts with `*`, as `*/2` does; then both have to match. When the clocks change, an
expression whose minute or hour starts with `*` follows the clock. Any other is due once: a time in
the hour that is skipped, right after it; a time in the hour that is repeated, the first time.

KFP parses expressions with robfig/cron 1.2: seconds come first, Sunday is only 0, and a time zone
is not supported (a prefix CRON_TZ= counts as one field too many). A cluster reads all expressions
in one time zone, which its administrator sets (`cronScheduleTimezone`, UTC by default) and the API
does not expose.
"""

import re
from datetime import datetime, timezone
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from trainer.common import exit_codes

FIELD = re.compile(r"([0-9*,/-]|\b[a-z]{3}\b)+", re.IGNORECASE)  # no L, #, ?, H, R


class CronError(ValueError):
    """A schedule that is malformed, never due, or in an unknown time zone."""

    exit_code = exit_codes.USAGE


def to_kubeflow(expression: str) -> str:
    """Rewrites a cron expression for robfig/cron, with every value spelled out.

    Args:
        expression: minute, hour, day of the month, month and day of the week (0 or 7 is Sunday).

    Returns:
        Second, minute, hour, day of the month, month and day of the week (0 is Sunday), due at the
        same times, except while the clocks change.

    Raises:
        CronError: the expression does not have five fields, or uses extensions of other crons.
    """
    cron = _parse(expression, datetime.now(timezone.utc))
    weekdays = {day % 7 for day in cron.weekdays}
    spelled = ["0"]
    for field, values, size in zip(
        expression.split(),
        (cron.minutes, cron.hours, cron.days, cron.months, weekdays),
        (60, 24, 31, 12, 7),
        strict=True,
    ):
        numbers, star = ",".join(map(str, sorted(values))), field.startswith("*")
        if size not in (31, 7):
            spelled.append("*" if len(values) == size else numbers)
        # In robfig/cron as in cron, both days have to match if there is a star in one.
        elif star:
            spelled.append("*" if len(values) == size else f"{field.partition(',')[0]},{numbers}")
        else:
            spelled.append(numbers)
    return " ".join(spelled)


def next_times(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next times at which a cron expression is due.

    Args:
        expression: minute, hour, day of the month, month and day of the week (0 or 7 is Sunday).
        zone: name of the time zone of the expression, such as Europe/Berlin.
        after: an aware time.
        count: number of times.

    Returns:
        The first times after `after`, ascending, in that time zone.

    Raises:
        CronError: the expression is malformed or never due, as on February 30, or the time zone is
            unknown.
    """
    if zone not in available_timezones():
        raise CronError(f"--timezone {zone}: unknown; give a name such as Europe/Berlin")
    place, after = ZoneInfo(zone), after.astimezone(timezone.utc)
    due = (time.astimezone(timezone.utc) for time in _parse(expression, after.astimezone(place)))
    # In an hour that is repeated, cronsim begins with the times of its first pass.
    return [time.astimezone(place) for time in islice((t for t in due if t > after), count)]


def _parse(expression: str, start: datetime) -> CronSim:
    fields = expression.split()
    if len(fields) != 5 or not all(map(FIELD.fullmatch, fields)):
        raise CronError(
            f"--cron {expression!r}: expected five fields (minute hour day month weekday) of "
            'numbers, names, * , - and /, for example "0 3 * * *"'
        )
    try:
        return CronSim(expression, start)
    except CronSimError as error:
        problem = f"{error}".lower()
        raise CronError(
            f"--cron {expression!r}: {problem}: malformed, out of range, or no such date"
        ) from None
