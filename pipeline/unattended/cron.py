"""Cron expressions: five fields as people write them, six as Kubeflow Pipelines reads them.

KFP parses with robfig/cron 1.2: seconds first, Sunday is 0 alone, no range that wraps around, and
no time zone (a prefix CRON_TZ= counts as a field too many). All cron of a cluster is read in one
zone, which its administrator sets (`cronScheduleTimezone`, else UTC) and the API does not tell.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, CroniterError, croniter

from trainer.common import exit_codes

FIELD = re.compile(r"([0-9*,/-]|\b[a-z]{3}\b)+", re.IGNORECASE)  # no L, #, ?, H, R


class CronError(ValueError):
    """A schedule that cannot be kept: of a wrong form, never due, or in an unknown time zone."""

    exit_code = exit_codes.USAGE


def to_kubeflow(expression: str) -> str:
    """Writes a cron expression with every value spelled out, as robfig/cron reads it.

    Args:
        expression: minute, hour, day of the month, month and day of the week (0 or 7 is Sunday).

    Returns:
        Second, minute, hour, day of the month, month and day of the week (0 is Sunday), due at the
        same times: where both days are restricted, either will do.

    Raises:
        CronError: if the expression is not one of five fields, or has extensions of other crons.
    """
    fields = expression.split()
    if len(fields) != 5 or not all(map(FIELD.fullmatch, fields)):
        raise CronError(
            f"--cron {expression!r}: expected five fields (minute hour day month weekday) of "
            'numbers, names, * , - and /, for example "0 3 * * *"'
        )
    try:
        values, _ = croniter.expand(" ".join(fields))
    except CroniterError as error:
        raise CronError(f"--cron {expression!r}: {error}") from None
    return " ".join(["0", *(",".join(map(str, field)) for field in values)])


def next_times(expression: str, timezone: str, after: datetime, count: int) -> list[datetime]:
    """When a cron expression of five fields is due.

    Args:
        expression: one that `to_kubeflow` accepts.
        timezone: name of the zone that it is read in, such as Europe/Berlin.
        after: an aware time.
        count: how many times.

    Returns:
        The first times after that, in the zone.

    Raises:
        CronError: if there is no such zone, or no such time, as on February 30.
    """
    if timezone not in available_timezones():
        raise CronError(f"--timezone {timezone}: unknown; give a name such as Europe/Berlin")
    due = croniter(expression, after.astimezone(ZoneInfo(timezone)))
    try:
        return [due.get_next(datetime) for _ in range(count)]
    except CroniterBadDateError:
        raise CronError(f"--cron {expression!r}: there is no such date") from None
