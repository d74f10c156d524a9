import json
from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from trainer_data import train

from components.image_trainer import names
from components.parameters import ParameterError
from trainer.options import TrainOptions

TRAIN = TrainOptions(warmup_steps=2).model_dump(mode="json", exclude={"steps"})


def run_fn(fn_args):
    """Writes its arguments to the path of the model."""
    seen = {"steps": fn_args.train_steps, "train": fn_args.custom_config["train"]}
    Path(fn_args.serving_model_dir).write_text(json.dumps(seen))


def test_the_steps_of_the_run_reach_the_training_function(tmp_path):
    seen = json.loads(train(tmp_path, f"{__name__}.run_fn", {"train": TRAIN}, 7).read_text())
    assert seen == {"steps": 7, "train": TRAIN | {"steps": 7}}


@pytest.mark.parametrize(("student", "teacher"), [(False, 0), (True, 5)])
def test_a_model_records_that_which_it_started_from(tmp_path, student, teacher):
    model, base = standard_artifacts.Model(), standard_artifacts.Model()
    base.id = 5
    config = {"train": TRAIN, names.STUDENT_KEY: student}
    train(tmp_path, f"{__name__}.run_fn", config, 7, model=model, base_model=base)
    assert model.get_int_custom_property(names.STARTED_FROM) == 5
    assert model.get_int_custom_property(names.TEACHER) == teacher


@pytest.mark.parametrize("steps", [0, -1, 2])
def test_invalid_steps_are_rejected_before_the_training(tmp_path, steps):
    with pytest.raises(ParameterError, match=f"^steps: got {steps}; "):
        train(tmp_path, f"{__name__}.run_fn", {"train": TRAIN}, steps)
    assert not list((tmp_path / "model").iterdir())
