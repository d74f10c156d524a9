"""Three days like those of the month that `make month` simulates, with their incidents."""

import pytest

from pipeline.registry import lineage
from tests.month import Event, Month, check

DAYS = {1: Event.POWER_CUT, 2: Event.ROTATED, 3: Event.KILLED}
QUICK = ("model.channels=[8]", "model.norm_groups=4", "train.steps=200", "sample.nb_step=2")


@pytest.mark.slow
def test_after_a_power_cut_a_drift_and_a_kill_nothing_is_lost_and_no_bad_model_live(tmp_path):
    overrides = (*QUICK, "schedule.challenger_every=2")
    month = Month(tmp_path, DAYS, days=3, overrides=overrides, quick=True)
    nights = list(month.nights())
    check(month, nights)
    assert [len(night.attempts) for night in nights] == [2, 1, 2]

    # The second training is followed by one from scratch; neither sees what is held.
    last = nights[-1].attempts[-1]
    assert (last.tries, last.from_scratch) == (2, True)
    assert last.message.startswith("28 new images in span 3; held (see `iadb spans`): 2; ")
    assert "; from scratch: " in last.message
    store = lineage.connect(month.workspace.metadata)
    assert list(last.runs) == [run.id for run in lineage.runs(store, last=2)]
    warm, challenger = month.models()[-2:]
    assert warm.parent is not None and challenger.parent is None
    assert {warm.span, challenger.span} == {3}
