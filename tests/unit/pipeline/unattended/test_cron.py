from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from pipeline.unattended.cron import CronError, next_times, to_kubeflow

SATURDAY = datetime(2027, 3, 27, 12, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("five", "six"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("  */15\t9-11 * * *\n", "0 0,15,30,45 9,10,11 * * *"),
        ("0 0 * * 7", "0 0 0 * * 0"),
        ("0 0 * * Fri-7", "0 0 0 * * 0,5,6"),
        ("0 0 1 jan,JUL *", "0 0 0 1 1,7 *"),
        ("5/20 * * 1-12 *", "0 5,25,45 * * * *"),
        ("0 0 1 * 1", "0 0 0 1 * 1"),
        ("0 0 1 * 0-6", "0 0 0 1 * 0,1,2,3,4,5,6"),  # every day, as either is due
        # With a star in a day, robfig/cron 1.2 requires both days to match, as cron does.
        ("0 0 1 * */3", "0 0 0 1 * */3,0,3,6"),
        ("0 0 */10 * mon", "0 0 0 */10,1,11,21,31 * 1"),
    ],
)
def test_seconds_come_first_and_values_are_spelled_out(five, six):
    assert to_kubeflow(five) == six


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "0 3 * *",
        "0 0 3 * * *",
        "@daily",
        "CRON_TZ=UTC 0 3 * *",
        "0 3 L * *",
        "0 3 * * 5#2",
        "0 3 ? * *",
        "H 3 * * *",
        "R 3 * * *",
        "0 3 * * frid",
    ],
)
def test_other_forms_are_refused(expression):
    with pytest.raises(CronError, match="expected five fields"):
        to_kubeflow(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "60 * * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "*/0 * * * *",
        "0 22-2 * * *",
    ],
)
def test_values_out_of_range_are_refused(expression):
    with pytest.raises(CronError, match=r"^--cron '"):
        to_kubeflow(expression)


def berlin(cron, *after):
    """The next four times in Berlin after a time there, with their offsets from UTC in hours."""
    after = datetime(*after, tzinfo=ZoneInfo("Europe/Berlin"))
    times = next_times(cron, "Europe/Berlin", after, 4)
    return " ".join(f"{time:%d-%H:%M+}{time.utcoffset().seconds // 3600}" for time in times)


# What cronie does (`cron.c`): expressions with a star in minute or hour follow the clock; of the
# others, skipped times are due when the clock is put forward, and repeated ones are due once.
@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("0 3 * * *", "29-03:00+2 30-03:00+2 31-03:00+2 01-03:00+2"),
        ("30 2 * * *", "29-03:00+2 30-02:30+2 31-02:30+2 01-02:30+2"),
        ("0,30 2 * * *", "29-03:00+2 30-02:00+2 30-02:30+2 31-02:00+2"),
        ("30 1-4 * * *", "29-01:30+1 29-03:00+2 29-03:30+2 29-04:30+2"),
        ("*/30 2 * * *", "30-02:00+2 30-02:30+2 31-02:00+2 31-02:30+2"),
        ("30 * * * *", "29-00:30+1 29-01:30+1 29-03:30+2 29-04:30+2"),
        ("0 */2 * * *", "29-04:00+2 29-06:00+2 29-08:00+2 29-10:00+2"),
    ],
)
def test_a_time_that_is_skipped_when_the_clocks_go_forward_is_due_right_after_it(cron, times):
    assert berlin(cron, 2026, 3, 29) == times


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("0 3 * * *", "25-03:00+1 26-03:00+1 27-03:00+1 28-03:00+1"),
        ("30 2 * * *", "25-02:30+2 26-02:30+1 27-02:30+1 28-02:30+1"),
        ("30 1-4 * * *", "25-01:30+2 25-02:30+2 25-03:30+1 25-04:30+1"),
        ("*/30 2 * * *", "25-02:00+2 25-02:30+2 25-02:00+1 25-02:30+1"),
        ("30 * * * *", "25-00:30+2 25-01:30+2 25-02:30+2 25-02:30+1"),
        ("0 */2 * * *", "25-02:00+2 25-02:00+1 25-04:00+1 25-06:00+1"),
    ],
)
def test_a_time_that_is_repeated_when_the_clocks_go_back_is_due_once(cron, times):
    assert berlin(cron, 2026, 10, 25) == times


def test_a_check_in_the_repeated_hour_does_not_hide_the_next_time():
    assert berlin("30 * * * *", 2026, 10, 25, 2, 45).startswith("25-02:30+1 25-03:30+1")
    second = datetime(2026, 10, 25, 1, 0, tzinfo=timezone.utc)  # 02:00+1
    [due] = next_times("30 2 * * *", "Europe/Berlin", second, 1)
    assert due.day == 26


def test_a_change_of_half_an_hour_is_one():
    [due] = next_times(
        "15 2 * * *", "Australia/Lord_Howe", datetime(2018, 10, 6, tzinfo=timezone.utc), 1
    )
    assert due.isoformat() == "2018-10-07T02:30:00+11:00"


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 1 * 1", "Mon 29 Thu 01 Mon 05"),  # either
        ("0 0 1-31 * 1", "Sun 28 Mon 29 Tue 30"),
        ("0 0 1 * 0-6", "Sun 28 Mon 29 Tue 30"),
        ("0 0 */2 * 1", "Mon 29 Mon 05 Mon 19"),  # both, as a field starts with a star
        ("0 0 1 * */2", "Thu 01 Sat 01 Tue 01"),
        ("0 0 */1 * 1", "Mon 29 Mon 05 Mon 12"),
        ("0 0 2,*/30 * 1", "Mon 29 Wed 31 Thu 01"),
    ],
)
def test_day_and_weekday_are_either_or_both_as_in_cron(cron, days):
    times = next_times(cron, "UTC", SATURDAY, 3)
    assert " ".join(f"{time:%a %d}" for time in times) == days


def test_a_date_that_never_comes_is_refused():
    with pytest.raises(CronError, match="no such date"):
        next_times("0 0 30 2 *", "UTC", SATURDAY, 1)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", "", "/etc/localtime"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(CronError, match="Europe/Berlin"):
        next_times("0 3 * * *", zone, SATURDAY, 1)
