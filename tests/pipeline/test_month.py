"""Four days of the month that `make month` simulates, with their incidents."""

import pytest

from tests.month import Event, Month, check

DAYS = {2: Event.KILLED, 3: Event.ROTATED, 4: Event.POWER_CUT}


@pytest.mark.slow
def test_after_a_kill_a_drift_and_a_power_cut_nothing_is_lost_and_no_bad_model_live(tmp_path):
    month = Month(tmp_path, DAYS, days=4)
    nights = list(month.nights())
    check(month, nights)
    assert [len(night.attempts) for night in nights] == [1, 2, 1, 2]
