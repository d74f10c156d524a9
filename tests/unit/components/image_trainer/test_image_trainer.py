import json
from pathlib import Path

import pytest
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from components.image_trainer.component import ImageTrainer
from components.image_trainer.executor import Executor
from components.parameters import ParameterError
from trainer.options import TrainOptions

TRAIN = TrainOptions(warmup_steps=2).model_dump(mode="json", exclude={"steps"})


def run_fn(fn_args):
    """Writes down how long it is to train, where the model should be."""
    told = {"steps": fn_args.train_steps, "train": fn_args.custom_config["train"]}
    Path(fn_args.serving_model_dir).write_text(json.dumps(told))


@pytest.fixture
def train(tmp_path):
    def run(steps):
        """Runs the executor; returns what the function was told."""
        component = ImageTrainer(
            examples=channel_utils.as_channel([standard_artifacts.Examples()]),
            transform_graph=channel_utils.as_channel([standard_artifacts.TransformGraph()]),
            run_fn=f"{__name__}.run_fn",
            custom_config={"train": TRAIN},
            steps=steps,
        )
        artifacts = {}
        for key, kind in (
            ("examples", standard_artifacts.Examples),
            ("transform_graph", standard_artifacts.TransformGraph),
            ("model", standard_artifacts.Model),
            ("model_run", standard_artifacts.ModelRun),
        ):
            artifacts[key] = kind()
            artifacts[key].uri = str(tmp_path / key)
        splits = artifact_utils.encode_split_names(["train", "eval"])
        artifacts["examples"].split_names = splits
        (tmp_path / "model").mkdir(exist_ok=True)
        lists = {key: [artifact] for key, artifact in artifacts.items()}
        inputs = {key: lists[key] for key in ("examples", "transform_graph")}
        outputs = {key: lists[key] for key in ("model", "model_run")}
        Executor().Do(inputs, outputs, component.exec_properties)
        return json.loads((tmp_path / "model" / "Format-Serving").read_text())

    return run


def test_the_steps_of_the_run_reach_the_function_that_trains(train):
    told = train(7)
    assert told["steps"] == 7
    assert told["train"] == TRAIN | {"steps": 7}


@pytest.mark.parametrize("steps", [0, -1, 2])
def test_steps_that_cannot_be_are_told_before_the_training(train, tmp_path, steps):
    with pytest.raises(ParameterError, match=f"^steps: got {steps}; "):
        train(steps)
    assert not list((tmp_path / "model").iterdir())
