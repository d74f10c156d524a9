"""Cron expressions: five fields as people write them, six as Kubeflow Pipelines reads them.

KFP parses them with robfig/cron 1.2: seconds come first, Sunday is only 0, a range cannot wrap
around, and a time zone is not supported (a prefix CRON_TZ= counts as one field too many). A cluster
reads all expressions in one time zone, which its administrator sets (`cronScheduleTimezone`, UTC by
default) and the API does not expose.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, CroniterError, croniter

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
        same times: if both days are restricted, it is due on either.

    Raises:
        CronError: the expression does not have five fields, or uses extensions of other crons.
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
    """The next times at which a cron expression is due.

    Args:
        expression: five fields that `to_kubeflow` accepts.
        timezone: name of the time zone of the expression, such as Europe/Berlin.
        after: an aware time.
        count: number of times.

    Returns:
        The first times after `after`, in that time zone.

    Raises:
        CronError: the time zone is unknown, or the expression is never due, as on February 30.
    """
    if timezone not in available_timezones():
        raise CronError(f"--timezone {timezone}: unknown; give a name such as Europe/Berlin")
    due = croniter(expression, after.astimezone(ZoneInfo(timezone)))
    try:
        return [due.get_next(datetime) for _ in range(count)]
    except CroniterBadDateError:
        raise CronError(f"--cron {expression!r}: never due, there is no such date") from None
