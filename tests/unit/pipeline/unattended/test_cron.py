from datetime import datetime, timezone

import pytest

from pipeline.unattended.cron import CronError, next_times, to_kubeflow

SATURDAY = datetime(2027, 3, 27, 12, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("five", "six"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("  */15\t9-11 * * *\n", "0 0,15,30,45 9,10,11 * * *"),
        ("0 22-2 * * *", "0 0 0,1,2,22,23 * * *"),
        ("0 0 * * 7", "0 0 0 * * 0"),
        ("0 0 * * Fri-Mon", "0 0 0 * * 0,1,5,6"),
        ("0 0 1 jan,JUL *", "0 0 0 1 1,7 *"),
        ("5/20 * * 1-12 *", "0 5,25,45 * * * *"),
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
    ["60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "*/0 * * * *"],
)
def test_values_out_of_range_are_refused(expression):
    with pytest.raises(CronError, match=r"^--cron '"):
        to_kubeflow(expression)


def test_the_next_times_are_in_the_zone_across_its_change_of_clocks():
    times = next_times("0 3 * * *", "Europe/Berlin", SATURDAY, 2)
    assert [time.isoformat() for time in times] == [
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T03:00:00+02:00",
    ]


def test_either_of_two_restricted_days_will_do():
    times = next_times("0 0 1 * 1", "UTC", SATURDAY, 2)
    assert [f"{time:%a %d}" for time in times] == ["Mon 29", "Thu 01"]


def test_a_date_that_never_comes_is_refused():
    with pytest.raises(CronError, match="no such date"):
        next_times("0 0 30 2 *", "UTC", SATURDAY, 1)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", "", "/etc/localtime"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(CronError, match="Europe/Berlin"):
        next_times("0 3 * * *", zone, SATURDAY, 1)
