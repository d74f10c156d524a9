import json

import pytest
from rich.console import Console

from components.sample_evaluator import names as evaluator_names
from pipeline.choosing.machine import Machine
from pipeline.config.pipeline_config import ConfigError, PipelineConfig, load
from pipeline.distillation.distill import distill_model
from pipeline.distillation.options import DistillOptions
from pipeline.distillation.recorded import DistillError, RecordedTeacher, configure
from pipeline.workspace import Workspace
from tests.recorded import Recorded
from trainer.common.resolution import from_sides


def record(config: PipelineConfig) -> RecordedTeacher:
    """What the records say of a model that a run with a configuration has made."""
    options = config.evaluate.model_dump(mode="json", exclude={"samples"})
    return RecordedTeacher(
        number=7,
        pipeline="iadb",
        ids={},
        config={
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json", exclude={"steps"}),
            "sample": config.sample.model_dump(mode="json", exclude_none=True),
            "resolution": from_sides(config.data.resolution),
            "channels": config.data.channels,
            "split": {"data.eval_percent": config.data.eval_percent, "data.holdout": None},
        },
        steps=config.train.steps,
        evaluation={
            evaluator_names.OPTIONS: json.dumps(options),
            "samples": config.evaluate.samples,
        },
    )


def test_the_configuration_of_a_recorded_model_is_that_of_its_run():
    run = load("fashion_mnist", overrides=["train.batch_size=32", "evaluate.samples=321"])
    made = configure(record(run), DistillOptions(nfe=2))
    for section in ("model", "sample", "evaluate"):
        assert getattr(made, section) == getattr(run, section)
    assert (made.data.shape, made.data.eval_percent) == (run.data.shape, run.data.eval_percent)
    assert made.train.batch_size == 32
    smaller = configure(record(run), DistillOptions(nfe=2), batch_size=8)
    assert (smaller.train.batch_size, smaller.evaluate.batch_size) == (8, 8)
    assert (made.distill.nfe, made.distill.enabled) == (2, True)


def test_a_teacher_with_a_warm_up_longer_than_the_default_training_can_be_distilled():
    run = load("digits", overrides=["train.steps=50000", "train.warmup_steps=2000"])
    assert configure(record(run), DistillOptions()).train == run.train


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            DistillOptions(nfe=2000),
            "--nfe=2000 exceeds sample.limits.nb_step=1000 or sample.limits.states=16384; "
            "raise them or lower nfe",
        ),
    ],
    ids=["evaluations beyond the limits of the model"],
)
def test_options_that_do_not_fit_are_refused_in_one_line(options, reason):
    with pytest.raises(DistillError) as refused:
        configure(record(load("digits")), options)
    assert str(refused.value) == f"model 7: {reason}"


def test_gpus_that_cannot_share_the_batches_of_the_teacher_are_refused(tmp_path, monkeypatch):
    Recorded(tmp_path / "metadata.sqlite", tmp_path / "artifacts")
    teacher = record(load("digits", overrides=["train.batch_size=9"]))
    monkeypatch.setattr("pipeline.distillation.distill.find_teacher", lambda *_: teacher)
    monkeypatch.setattr("pipeline.run.this_machine", lambda: Machine(2, 2))
    with pytest.raises(ConfigError, match=r"^train\.batch_size=9 is not divisible by the 2 GPUs"):
        distill_model(Workspace(tmp_path), 7, DistillOptions(), Console(), verbose=False)


def test_a_key_that_an_option_sets_is_named_as_the_option():
    overrides = ["train.steps=12", "train.accumulate=4", "train.warmup_steps=1"]
    with pytest.raises(DistillError, match=r": --steps: 2 after train\.steps=12 are fewer than"):
        configure(record(load("digits", overrides=overrides)), DistillOptions(nfe=4))
