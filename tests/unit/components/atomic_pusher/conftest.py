import json

import numpy as np
import pytest
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelEvaluation,
    PushedModel,
)

from components.atomic_pusher.component import AtomicPusher
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
    """Runs the component on a model with the id 7.

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
        made_of = Model() if teacher else None
        if teacher:
            model.set_int_custom_property(TEACHER, teacher)
            if teacher_withdrawn:
                made_of.set_string_custom_property(WITHDRAWN_PROPERTY, "noise")
        if started_from:
            model.set_int_custom_property(STARTED_FROM, started_from)
        blessing.set_int_custom_property("blessed", int(blessed))
        evaluation.set_int_custom_property("current_model_id", 7)
        evaluation.set_float_custom_property("kid", 0.0125)
        examples.set_string_custom_property("input_base", "/home/me/digits")
        AtomicPusher.test_call(
            model=model,
            model_blessing=blessing,
            evaluation=evaluation,
            examples=examples,
            pushed_model=pushed,
            serving=str(serving),
            push="",
            teacher=made_of,
        )
        return pushed

    return push_to
