import json

import numpy as np
import pytest
from tfx.proto import pusher_pb2
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelEvaluation,
    PushedModel,
)
from tfx.utils import proto_utils

from components.atomic_pusher import executor, names
from components.image_trainer.names import STARTED_FROM, TEACHER
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from tests.recorded import write_model
from trainer.common.image_grid import grid_png
from trainer.names import METADATA

ABOUT = {
    "shape": [8, 8, 1],
    "nfe": 32,
    "weights": "0123456789abcdef",
    "license": "cc-by-4.0",
    "config": {"train": {"steps": 12}},
}
METRICS = {
    "samples": 200,
    "metrics": {
        "kid": {"candidate": 0.0123, "train": -0.0009, "noise": 1.9524, "larger_is_better": False}
    },
}
REPORT = {
    "accepted": 1797,
    "rejected": 3,
    "duplicates": 2,
    "splits": {"train": 1600, "eval": 197},
    "by_span": {"1": {"accepted": 1000, "rejected": 3}, "2": {"accepted": 797, "rejected": 0}},
}


@pytest.fixture
def push(tmp_path):
    """Runs the executor on a model with the id 7.

    The files of its inputs are in `model`, `evaluation` and `examples` in the temporary folder,
    where a test may change them before it pushes.
    """
    model_folder = write_model(tmp_path / "model" / "Format-Serving")
    (model_folder / METADATA).write_text(json.dumps(ABOUT))
    for name, content in (
        ("evaluation/metrics.json", json.dumps(METRICS).encode()),
        ("evaluation/samples.png", grid_png(np.zeros((4, 8, 8, 1), np.uint8))),
        ("examples/rejected.json", json.dumps(REPORT).encode()),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)

    def push_to(
        serving,
        *,
        blessed=True,
        withdrawn=False,
        teacher=None,
        teacher_withdrawn=False,
        started_from=None,
    ):
        """Returns the PushedModel."""
        model, blessing, pushed = Model(), ModelBlessing(), PushedModel()
        evaluation, examples = ModelEvaluation(), Examples()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "pushed")
        evaluation.uri, examples.uri = str(tmp_path / "evaluation"), str(tmp_path / "examples")
        model.id = 7
        model.mlmd_artifact.create_time_since_epoch = 1_800_000_000_000
        if withdrawn:
            model.set_string_custom_property(WITHDRAWN_PROPERTY, "draws only noise")
        inputs = {}
        if teacher:
            model.set_int_custom_property(TEACHER, teacher)
            inputs[names.TEACHER] = [Model()]
            if teacher_withdrawn:
                inputs[names.TEACHER][0].set_string_custom_property(WITHDRAWN_PROPERTY, "noise")
        if started_from:
            model.set_int_custom_property(STARTED_FROM, started_from)
        blessing.set_int_custom_property("blessed", int(blessed))
        evaluation.set_int_custom_property("current_model_id", 7)
        evaluation.set_float_custom_property("kid", 0.0125)
        examples.set_string_custom_property("input_base", "/home/me/digits")
        destination = pusher_pb2.PushDestination()
        destination.filesystem.base_directory = str(serving)
        executor.Executor().Do(
            {
                "model": [model],
                "model_blessing": [blessing],
                "evaluation": [evaluation],
                "examples": [examples],
                **inputs,
            },
            {names.PUSHED_MODEL: [pushed]},
            {"push_destination": proto_utils.proto_to_json(destination)},
        )
        return pushed

    return push_to
