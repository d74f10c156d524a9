"""Three days like those of the month that `make month` simulates, with their incidents."""

import pytest

from pipeline.registry import lineage
from tests.month import Event, Month, check

DAYS = {1: Event.POWER_CUT, 2: Event.ROTATED, 3: Event.KILLED}
QUICK = ("model.channels=[8]", "model.norm_groups=4", "train.steps=200", "sample.nb_step=2")


@pytest.mark.slow
def test_after_a_power_cut_a_drift_and_a_kill_nothing_is_lost_and_no_bad_model_live(tmp_path):
    month = Month(tmp_path, DAYS, days=3, overrides=QUICK, quick=True)
    nights = list(month.nights())
    check(month, nights)
    assert [len(night.attempts) for night in nights] == [2, 1, 2]

    last = nights[-1].attempts[-1]
    assert last.message.startswith("28 new images in span 3; held (see `iadb spans`): 2; ")
    store = lineage.connect(month.workspace.metadata)
    assert list(last.runs) == [run.id for run in lineage.runs(store, last=1)]
    newest = month.models()[-1]
    assert newest.parent is not None
    assert newest.span == 3
