"""Cron expressions: the times at which they are due, and their form for Kubeflow Pipelines.

Times are those of cron (Vixie's and cronie): if both days are restricted, either is due, unless a
field starts with `*`, as `*/2` does; then both have to match. When the clocks change, an expression
whose minute or hour starts with `*` follows the clock. Any other is due once: a time in the hour
that is skipped, right after it; a time in the hour that is repeated, the first time.

KFP parses expressions with robfig/cron 1.2: seconds come first, Sunday is only 0, a range cannot
wrap around, and a time zone is not supported (a prefix CRON_TZ= counts as one field too many).
A cluster reads all expressions in one time zone, which its administrator sets
(`cronScheduleTimezone`, UTC by default) and the API does not expose.
"""

import re
from collections.abc import Iterator
from datetime import datetime, time, timedelta, timezone
from itertools import groupby, islice
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, CroniterError, croniter

from trainer.common import exit_codes

FIELD = re.compile(r"([0-9*,/-]|\b[a-z]{3}\b)+", re.IGNORECASE)  # no L, #, ?, H, R
MINUTE = timedelta(minutes=1)


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
    fields, values = _parse(expression)
    spelled = [",".join(map(str, field)) for field in values]
    for day in (2, 4):
        # In robfig/cron as in cron, both days have to match if there is a star in one.
        if fields[day].startswith("*") and spelled[day] != "*":
            spelled[day] = f"{fields[day].partition(',')[0]},{spelled[day]}"
    return " ".join(["0", *spelled])


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
    fields, _ = _parse(expression)
    if zone not in available_timezones():
        raise CronError(f"--timezone {zone}: unknown; give a name such as Europe/Berlin")
    place, after = ZoneInfo(zone), after.astimezone(timezone.utc)
    follows_clock = any(field.startswith("*") for field in fields[:2])
    try:
        due = islice(_times(expression, place, after, follows_clock), count)
        return [each.astimezone(place) for each in due]
    except CroniterBadDateError:
        raise CronError(f"--cron {expression!r}: never due, there is no such date") from None


def _parse(expression: str) -> tuple[list[str], list[list[int | str]]]:
    """The five fields, and the values of each: numbers, or a single `*`."""
    fields = expression.split()
    if len(fields) != 5 or not all(map(FIELD.fullmatch, fields)):
        raise CronError(
            f"--cron {expression!r}: expected five fields (minute hour day month weekday) of "
            'numbers, names, * , - and /, for example "0 3 * * *"'
        )
    try:
        return fields, croniter.expand(" ".join(fields))[0]
    except CroniterError as error:
        raise CronError(f"--cron {expression!r}: {error}") from None


def _times(
    expression: str, zone: ZoneInfo, after: datetime, follows_clock: bool
) -> Iterator[datetime]:
    """All times after a time, in UTC: croniter has those on the calendar, in no time zone."""
    midnight = datetime.combine(after.astimezone(zone), time())
    calendar = croniter(expression, midnight - MINUTE, implement_cron_bug=True).all_next(datetime)
    for _, day in groupby(calendar, datetime.date):
        due = {instant for each in day for instant in _instants(each, zone, follows_clock)}
        yield from sorted(instant for instant in due if instant > after)


def _instants(local: datetime, zone: ZoneInfo, follows_clock: bool) -> tuple[datetime, ...]:
    """When a local time is due, in UTC: twice or never where the clocks change."""
    first, second = (
        local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)
    )
    if first == second:
        return (first,)
    if first < second:  # the clocks were put back, and the local time is repeated
        return (first, second) if follows_clock else (first,)
    # The clocks were put forward between `second` and `first`, and skip the local time.
    return () if follows_clock else (_change(second, first, zone),)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first minute in the offset from UTC that the zone has at `after`."""
    offset = after.astimezone(zone).utcoffset()
    while before.astimezone(zone).utcoffset() != offset:
        before += MINUTE
    return before
