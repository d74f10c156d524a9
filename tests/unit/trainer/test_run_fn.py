from trainer.run_fn import state_key

CONFIG = {
    "model": {"channels": [8]},
    "train": {"steps": 10, "warm_start": True, "log_every": 5},
    "resolution": 8,
    "channels": 1,
    "source_hash": "0" * 16,
}


def test_checkpoints_are_kept_apart_by_the_base_model_that_a_training_started_from():
    keys = {state_key(CONFIG, ["examples/1"], base) for base in (None, "model/1", "model/2")}
    assert len(keys) == 3
    assert state_key(CONFIG, ["examples/1"], "model/1") in keys


def test_how_often_something_is_shown_does_not_part_checkpoints():
    other = CONFIG | {"train": CONFIG["train"] | {"log_every": 6}}
    assert state_key(other, ["examples/1"], None) == state_key(CONFIG, ["examples/1"], None)
