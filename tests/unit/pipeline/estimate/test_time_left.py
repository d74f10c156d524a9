import json
import re
import subprocess
import sys

import pytest

from components.image_example_gen.names import REJECTED_JSON, SOURCES_FOLDER
from pipeline.config.pipeline_config import load
from pipeline.estimate import time_left
from pipeline.estimate.time_left import TimeLeft
from pipeline.pictures.machine import Machine
from pipeline.registry import lineage
from pipeline.workspace import Workspace
from tests.clock import Clock
from tests.recorded import Recorded
from trainer.common import phases as phases_module
from trainer.common.phases import Phases
from trainer.common.progress import TRAINING, Report

MINUTE = 60.0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(phases_module, "time", clock)
    return clock


def recorded(tmp_path, *overrides, blessed=None):
    """The time left in a workspace with a run of 1,797 images."""
    tmp_path.mkdir(exist_ok=True)
    workspace = Workspace(tmp_path)
    Recorded(workspace.metadata, workspace.artifacts).run(blessed=blessed)
    config = load("digits", overrides=["evaluate.samples=10000", *overrides])
    return TimeLeft(config, workspace)


def train(clock, seconds=1.0, steps=1000, done=3):
    """A training of which some steps are done."""
    phases = Phases("Trainer")
    phases(Report(TRAINING, entered=1))
    phases(Report(TRAINING, expected=steps, unit="steps"))
    for _ in range(done):
        clock.now += seconds
        phases(Report(TRAINING, done=1, unit="steps"))
    return phases


def judging(clock, left, seconds=1.0):
    """Minutes that remain of a run when all steps but one are done."""
    text = left.of_node("Trainer")(train(clock, seconds, steps=4))
    parts = re.findall(r"(\d+) (h|min)", text)
    return sum(int(number) * {"h": 60, "min": 1}[unit] for number, unit in parts)


def test_what_is_left_is_the_training_and_the_judging_of_the_model(tmp_path, clock):
    left = recorded(tmp_path, "data.eval_percent=20", "sample.nb_step=32", "train.batch_size=64")
    describe = left.of_node("Trainer")
    assert describe(train(clock)) == "about 18 min left of the run"
    # 997 steps of a second, 359 x 32 evaluations of a third of a 64th, and 13 seconds.
    assert round((997 + 359 * 32 / 64 / 3 + 13) / MINUTE) == 18


def test_fewer_sources_than_images_are_held_out_leave_less_to_judge(tmp_path, clock):
    unpaired = ("data.source=horses", "data.pairing=none", "model.source=map")
    everything = judging(clock, recorded(tmp_path / "a", *unpaired), 20.0)
    left = recorded(tmp_path / "b", *unpaired)
    (run,) = lineage.runs(lineage.connect(Workspace(tmp_path / "b").metadata))
    report = run.rejected_report.parent / SOURCES_FOLDER / REJECTED_JSON
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"splits": {"train": 36, "eval": 4}}))
    assert judging(clock, left, 20.0) < everything / 10


def test_a_model_to_compare_with_and_guidance_double_the_samples(tmp_path, clock):
    alone = judging(clock, recorded(tmp_path / "a"), 20.0)
    assert judging(clock, recorded(tmp_path / "b", blessed=True), 20.0) == pytest.approx(
        2 * alone, abs=2
    )
    overrides = ("model.conditional=true", "sample.guidance=2")
    assert judging(clock, recorded(tmp_path / "c", *overrides), 20.0) == pytest.approx(
        2 * alone, abs=2
    )


@pytest.mark.parametrize(
    ("machine", "precision", "times"),
    [
        (Machine(2, 0, bfloat16=True), "float32", 1),
        (Machine(2, 0, bfloat16=True), "auto", 2.5),
        (Machine(2, 0), "auto", 1),
        (Machine(2, 0), "bfloat16", 1),
        (Machine(2, 4), "auto", 10),
        (Machine(2, 4), "float32", 4),
    ],
)
def test_samples_are_drawn_in_float32_on_one_device(
    tmp_path, clock, monkeypatch, machine, precision, times
):
    monkeypatch.setattr(time_left, "this_machine", lambda: Machine(2, 0))
    alone = judging(clock, recorded(tmp_path / "a"), 20.0)
    monkeypatch.setattr(time_left, "this_machine", lambda: machine)
    left = recorded(tmp_path / "b", f"train.precision={precision}")
    monkeypatch.setattr(time_left, "this_machine", lambda: Machine(2, 0))  # a run hides its GPUs
    found = judging(clock, left, 20.0)
    assert found == pytest.approx(times * alone, rel=0.1)


def test_while_the_model_is_judged_the_time_left_falls_to_nothing(tmp_path, clock):
    left = recorded(tmp_path)
    minutes = judging(clock, left, 20.0)
    evaluator = left.of_node("SampleEvaluator")
    phases = Phases("SampleEvaluator")
    clock.now += (minutes - 2) * MINUTE
    assert evaluator(phases) in ("about 1 min left of the run", "about 2 min left of the run")
    clock.now += 10 * MINUTE
    assert evaluator(phases) == ""


def test_a_student_follows_a_model_that_is_distilled(tmp_path, clock):
    steps = ("sample.nb_step=32", "train.batch_size=64")
    alone = judging(clock, recorded(tmp_path / "a", *steps), 6.0)
    overrides = ("distill.enabled=true", "distill.steps=30")
    left = recorded(tmp_path / "b", *steps, *overrides)
    # 30 steps of 6 seconds, in which it asks the teacher twice more and the student once, and the
    # teacher judged again with it.
    student = 30 * 6 / MINUTE
    assert judging(clock, left, 6.0) - 2 * student == pytest.approx(3 * alone, abs=3)
    first, last = left.of_node("SampleEvaluator"), left.of_node("StudentEvaluator")
    assert first(Phases("SampleEvaluator")).startswith("about ")
    assert last(Phases("StudentEvaluator")) == f"about {2 * alone} min left of the run"
    # By default for a fifth of the 1,000 steps of its teacher.
    default = judging(clock, recorded(tmp_path / "d", *steps, "distill.enabled=true"), 6.0)
    assert default - 2 * 200 * 6 / MINUTE == pytest.approx(3 * alone, abs=3)


def test_before_the_first_steps_nothing_is_said(tmp_path, clock):
    left = recorded(tmp_path)
    assert left.of_node("Trainer")(Phases("Trainer")) == ""
    assert left.of_node("Trainer")(train(clock, done=0)) == ""


def test_of_a_cached_training_nothing_is_known(tmp_path, clock):
    left = recorded(tmp_path)
    left.of_node("Trainer")
    assert left.of_node("SampleEvaluator")(Phases("SampleEvaluator")) == ""
    assert left.of_node("ImageExampleGen")(Phases("ImageExampleGen")) == ""


def test_it_starts_neither_tensorflow_nor_tfx():
    code = "import sys, pipeline.estimate.time_left; print({'tensorflow', 'tfx'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr
