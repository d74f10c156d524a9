import json
from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from trainer_data import train

from components.image_trainer import names
from components.parameters import ParameterError
from components.resolvers import withdrawal
from components.resolvers.withdrawal import WITHDRAWN_AT_PROPERTY, WITHDRAWN_PROPERTY
from trainer.names import METADATA, STUDENT_KEY
from trainer.options import TrainOptions

TRAIN = TrainOptions(warmup_steps=2).model_dump(mode="json", exclude={"steps"})


def run_fn(fn_args):
    """Writes its arguments as the metadata of the model, with what they name as made."""
    config = fn_args.custom_config
    seen = {"steps": fn_args.train_steps, "train": config["train"], **config.get("made", {})}
    metadata = Path(fn_args.serving_model_dir, METADATA)
    metadata.parent.mkdir(parents=True)
    metadata.write_text(json.dumps(seen | {"warm_started_from": config.get("start")}))


def test_the_steps_of_the_run_reach_the_training_function(tmp_path):
    model = train(tmp_path, f"{__name__}.run_fn", {"train": TRAIN}, 7)
    seen = json.loads((model / METADATA).read_text())
    assert (seen["steps"], seen["train"]) == (7, TRAIN | {"steps": 7})


@pytest.mark.parametrize(
    ("student", "start", "recorded", "teacher"),
    [(False, "model/5", 5, 0), (True, "model/5", 5, 5), (False, None, 0, 0)],
    ids=["warm", "student", "cold, for the base does not fit"],
)
def test_a_model_records_that_which_it_started_from(tmp_path, student, start, recorded, teacher):
    model, base = standard_artifacts.Model(), standard_artifacts.Model()
    base.id = 5
    config = {"train": TRAIN, STUDENT_KEY: student, "start": start}
    train(tmp_path, f"{__name__}.run_fn", config, 7, model=model, base_model=base)
    assert model.get_int_custom_property(names.STARTED_FROM) == recorded
    assert model.get_int_custom_property(names.TEACHER) == teacher


@pytest.mark.parametrize(
    ("sample", "start", "is_withdrawn"),
    [
        ({"limits": {"images": 64}}, "a1", True),  # how many may be drawn changes none of them
        ({"guidance": 2.0}, "a1", False),
        ({}, "b2", False),
    ],
)
def test_a_model_that_draws_what_a_withdrawn_one_drew_is_withdrawn(
    tmp_path, sample, start, is_withdrawn
):
    about = {"weights": "a1", "nb_step": 4, "config": {"sample": {"limits": {"images": 16}}}}
    withdrawal.remember(
        tmp_path / "checkpoints", about, withdrawal.Withdrawal("six fingers", "2026-12-01T06:30")
    )
    again = about | {"weights": start, "config": {"sample": sample}}
    model = standard_artifacts.Model()
    train(tmp_path, f"{__name__}.run_fn", {"train": TRAIN, "made": again}, 7, model=model)
    assert withdrawal.is_withdrawn(model) == is_withdrawn
    if is_withdrawn:
        assert model.get_string_custom_property(WITHDRAWN_PROPERTY) == "six fingers"
        assert model.get_string_custom_property(WITHDRAWN_AT_PROPERTY) == "2026-12-01T06:30"


@pytest.mark.parametrize("steps", [0, -1, 2])
def test_invalid_steps_are_rejected_before_the_training(tmp_path, steps):
    with pytest.raises(ParameterError, match=f"^steps: got {steps}; "):
        train(tmp_path, f"{__name__}.run_fn", {"train": TRAIN}, steps)
    assert not list((tmp_path / "model").iterdir())
