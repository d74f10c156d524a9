"""The summary that a run or an evaluation prints at its end."""

import io
import json
import re
import shlex
from pathlib import Path

import click
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from components.image_example_gen import names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY
from components.sample_evaluator import names as evaluator_names
from components.sample_evaluator.verdict.checks import KEPT, LEFT_OUT, MISSED, Check
from pipeline.cli import main
from pipeline.config.pipeline_config import load
from pipeline.distillation.options import DistillOptions
from pipeline.registry import lineage
from pipeline.registry.lineage import Run
from pipeline.results.summary import (
    BETTER,
    CLOSER,
    WORSE,
    advise,
    advise_on_student,
    print_evaluation,
    print_log,
    print_metrics,
    print_model,
    print_student,
    print_summary,
    print_verdict,
)
from pipeline.workspace import Workspace
from tests.recorded import Recorded


@pytest.fixture
def summary(tmp_path):
    """A function: properties of the examples -> the printed lines."""

    def make(**properties):
        artifact = mlmd.Artifact(state=mlmd.Artifact.LIVE, uri=str(tmp_path))
        for name, value in properties.items():
            kind = "string_value" if isinstance(value, str) else "int_value"
            setattr(artifact.custom_properties[name], kind, value)
        run = Run("id", artifacts={(names.NODE, names.EXAMPLES): artifact})
        console = Console(file=io.StringIO(), width=200)
        print_summary(console, run, None, Workspace(tmp_path))
        return console.file.getvalue().splitlines()

    return make


FEW = Check("kid", "value", LEFT_OUT, "kid is not judged: [few]")
COUNTS = {"accepted": 1797, "rejected": 0, "duplicates": 3}


def test_skipped_files_and_unusual_images_follow_the_counts(summary):
    remarks = ["not read: 2 .heic; convert them to JPEG or PNG", "ignored: 1 [.csv]"]
    lines = summary(**COUNTS, remarks=json.dumps(remarks))
    start = lines.index("Images   1,797 accepted (3 of them duplicates), 0 rejected")
    assert lines[start + 1 : start + 3] == [f"{'':9}{remark}" for remark in remarks]


def test_images_that_were_read_before_remarks_were_recorded_have_none(summary):
    assert summary(**COUNTS)[1:3] == [
        "Images   1,797 accepted (3 of them duplicates), 0 rejected",
        "Verdict  not blessed",
    ]


def test_warnings_come_before_the_verdict():
    console = Console(file=io.StringIO(), width=200)
    metrics = {
        "samples": 2,
        "features": "random_conv",
        "metrics": {},
        "warnings": [],
        "checks": [],
        "blessed": True,
        "reasons": ["better"],
    }
    print_verdict(console, metrics)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines[-1] == "Verdict  blessed: better"
    warned = metrics | {"warnings": ["too good"], "checks": [FEW._asdict()]}
    print_verdict(console, warned)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines[-3:] == [
        "Warning  too good",
        "Left out kid is not judged: [few]",
        "Verdict  blessed: better",
    ]


def test_metrics_are_printed_with_their_places_limits_and_outcomes():
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    values = {
        "candidate": 0.03,
        "baseline": None,
        "train": -0.001,
        "noise": 0.2,
        "place": 0.0712,
        "minimum": None,
        "maximum": 0.05,
        "max_place": 0.15,
        "max_worsening": 0.0,
        "larger_is_better": False,
    }
    outcomes = {"recall": KEPT, "kid": MISSED, "density": LEFT_OUT}
    checks = [Check(name, "max_place", outcome) for name, outcome in outcomes.items()]
    checks.append(Check("kid", "maximum", KEPT))
    print_metrics(console, dict.fromkeys([*outcomes, "coverage"], values), checks)
    lines = console.file.getvalue().splitlines()
    colors = {line.split()[0]: re.findall(r"\x1b\[(\d+)m0\.03", line) for line in lines}
    assert [colors[n] for n in [*outcomes, "coverage"]] == [["32"], ["31"], ["33"], ["39"]]
    assert "7.1%" in lines[-1]
    assert "≤ 0.05, place ≤ 0.15, ≤ 0 worse" in lines[-1]


def test_a_translation_stands_beside_its_sources_and_mean_answers():
    console = Console(file=io.StringIO(), width=200)
    limits = dict.fromkeys(("minimum", "maximum", "max_worsening", "baseline", "train", "noise"))
    psnr = {"candidate": 22.5, "source": 21.25, "mean_answer": 24.125, "larger_is_better": True}
    kid = {"candidate": 0.5, "source": 0.75, "larger_is_better": False}
    print_metrics(console, {"psnr": limits | psnr, "kid": limits | kid}, [])
    head, *rows = console.file.getvalue().splitlines()
    assert "sources  mean answer" in head
    assert rows[0].split()[2:6] == ["22.50", "–", "21.25", "24.12"]
    assert rows[1].split()[2:6] == ["0.5000", "–", "0.7500", "–"]


@pytest.fixture
def rejected(tmp_path):
    """A function: the width of the terminal -> a run that is not blessed, its printed lines."""

    def make(width):
        run, folder = _rejected_run(tmp_path / "it's"), tmp_path / "it's"
        console = Console(file=io.StringIO(), width=width)
        print_summary(console, run, None, Workspace(folder))
        return run, console.file.getvalue().splitlines()

    return make


def _rejected_run(folder):
    made = {
        trainer_names.NODE: (trainer_names.MODEL, {}),
        evaluator_names.NODE: (evaluator_names.BLESSING, {evaluator_names.BLESSED: 0}),
    }
    run = Run("id")
    for node, (key, properties) in made.items():
        artifact = mlmd.Artifact(id=7, state=mlmd.Artifact.LIVE, uri=str(folder / node))
        for name, value in properties.items():
            artifact.custom_properties[name].int_value = value
        run.artifacts[node, key] = artifact
    run.artifacts[names.NODE, names.EXAMPLES] = mlmd.Artifact(state=mlmd.Artifact.LIVE)
    for name, count in COUNTS.items():
        run.artifacts[names.NODE, names.EXAMPLES].custom_properties[name].int_value = count
    return run


def test_a_run_that_is_not_blessed_ends_with_two_commands_on_its_workspace(rejected, tmp_path):
    run, lines = rejected(width=40)
    commands = [shlex.split(line) for line in lines[-2:]]
    where = ["--workspace", str(tmp_path / "it's")]
    assert commands[0] == ["iadb", "sample", "--model", str(run.model), *where]
    assert commands[1][:5] == ["iadb", "promote", "7", *where]
    for command in commands:
        name, *arguments = command[1:]
        main.commands[name].make_parser(click.Context(main)).parse_args(arguments)


@pytest.mark.parametrize("advice", ["", "try this"])
def test_advice_and_the_commands_follow_a_rejection(rejected, monkeypatch, advice):
    monkeypatch.setattr("pipeline.results.summary.advise", lambda metrics: advice)
    _, lines = rejected(width=200)
    assert [line for line in lines if line.startswith("Next")] == [
        f"Next     {advice or 'look at its images, or push it all the same:'}"
    ]
    assert lines[-3].endswith("look at its images, or push it all the same:")


def missing(*limits, **values):
    """The content of metrics.json of a model that misses limits of KID."""
    checks = [Check("kid", by, MISSED, value=values.get("value", 0.5))._asdict() for by in limits]
    return {"metrics": {"kid": {}, "coverage": {}}, "checks": checks}


def test_advice_is_given_where_a_metric_is_too_far_on_the_way_to_noise():
    assert advise(missing("max_place")) == advise(missing("maximum", "max_place")) == BETTER
    assert advise(missing()) == advise(None) == ""
    assert advise(missing("max_worsening")) == advise(missing("best")) == ""


def test_the_keys_in_the_advice_may_change_the_verdict():
    found = re.findall(r"--set ([\w.]+=[\w]+|[\w.]+)", BETTER)
    assert found == ["train.steps", "evaluate.limits=loose"]
    config = load(overrides=["train.steps=2000", found[1]])
    assert config.evaluate.judged["kid"].max_place > load().evaluate.judged["kid"].max_place


@pytest.fixture
def of_student(tmp_path):
    """A function: the verdict on a student and its steps -> the printed lines."""

    def make(*, blessed, nb_step, withdrawn=None, **measured):
        run, folder = Run("id"), tmp_path / "evaluation"
        folder.mkdir()
        content = {"nb_step": nb_step, "reasons": ["[because]"], "metrics": {}, "checks": []}
        content |= measured
        (folder / evaluator_names.METRICS_JSON).write_text(json.dumps(content))
        for node, key in (
            (evaluator_names.NODE, evaluator_names.EVALUATION),
            (evaluator_names.NODE, evaluator_names.BLESSING),
            (trainer_names.NODE, trainer_names.MODEL),
        ):
            artifact = mlmd.Artifact(id=8, state=mlmd.Artifact.LIVE, uri=str(folder))
            artifact.custom_properties[evaluator_names.BLESSED].int_value = int(blessed)
            if withdrawn:
                artifact.custom_properties[WITHDRAWN_PROPERTY].string_value = withdrawn
            run.artifacts[node, key] = artifact
        console = Console(file=io.StringIO(), width=200)
        print_student(console, run, Workspace(tmp_path))
        return [line.rstrip() for line in console.file.getvalue().splitlines()]

    return make


def test_a_live_student_is_not_taken_for_the_model_of_the_run(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.folder.mkdir()
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    model = recorded.run()
    student = recorded.student(model, blessed=False)
    [run] = lineage.runs(lineage.connect(workspace.metadata))

    def told():
        console = Console(file=io.StringIO(), width=200)
        print_model(console, run, workspace.serving / str(version), workspace)
        return console.file.getvalue().strip()

    version = recorded.push(model, workspace.serving)
    assert told() == f"Model    {workspace.serving / str(version)}"
    version = recorded.push(student, workspace.serving)
    assert told() == f"Model    {workspace.serving / str(version)}, a student of it"


def test_the_verdict_on_a_student_names_its_steps(of_student):
    assert of_student(blessed=True, nb_step=4)[0] == "Student  4 steps, blessed: [because]"


@pytest.mark.parametrize("limits", [["maximum"], []])
def test_a_student_that_misses_a_metric_is_followed_by_what_may_help(of_student, limits):
    lines = of_student(blessed=False, nb_step=4, **missing(*limits))
    assert any(line == f"Next     {CLOSER}" for line in lines) is bool(limits)


def test_a_student_that_is_only_worse_than_its_teacher_may_be_allowed_to_be():
    assert advise_on_student(missing("max_worsening")) == CLOSER + WORSE
    assert advise_on_student(missing("max_worsening", value=None)) == CLOSER
    for other in ("maximum", "max_place", "value"):
        assert advise_on_student(missing("max_worsening", other)) == CLOSER


def test_the_options_in_the_advice_for_students_are_those_of_the_command_and_the_configuration():
    parser = main.commands["distill"].make_parser(click.Context(main))
    options = re.findall(r"(--[a-z-]+)", CLOSER + WORSE)
    assert len(options) == 3
    assert set(options) < set(parser._long_opt)
    keys = re.findall(r"distill\.(\w+)", CLOSER + WORSE)
    assert set(keys) < set(DistillOptions.model_fields)
    assert len(keys) == 3


def test_a_student_that_could_not_be_sampled_has_no_steps(of_student):
    first = of_student(blessed=False, nb_step=None)[0]
    assert first == "Student  not blessed, the live model stays: [because]"


def test_a_student_that_was_promoted_is_said_to_be_live(of_student, monkeypatch):
    monkeypatch.setattr("pipeline.registry.serving.find_live", lambda serving, model: model)
    lines = of_student(blessed=False, nb_step=4)
    assert lines[0] == "Student  4 steps, not blessed, but promoted: it is live: [because]"
    assert not any("iadb promote" in line for line in lines)


def test_a_student_that_was_withdrawn_is_said_to_be(of_student):
    lines = of_student(blessed=True, nb_step=4, withdrawn="six [fingers]")
    assert lines[0] == "Student  4 steps, withdrawn (six [fingers]): [because]"


def test_the_baseline_of_a_student_is_its_teacher(of_student):
    lines = of_student(blessed=True, nb_step=4, seed_distance={"sentence": "2 [levels]"})
    assert lines[1].strip() == "the baseline is its teacher: 2 [levels]"


def test_a_rejected_student_ends_with_the_command_that_makes_it_live_all_the_same(of_student):
    lines = of_student(blessed=False, nb_step=4)
    assert lines[-1].split()[:3] == ["iadb", "promote", "8"]
    assert lines[-3] == "Next     look at its images, or push it all the same:"
    assert "train.steps" not in "".join(lines)


@pytest.mark.parametrize("folder", ["a[v2]", "a[", "[", "a\\["])
def test_brackets_in_the_path_of_a_log_are_no_markup(folder):
    console = Console(file=io.StringIO(), width=200)
    log = Path(f"/{folder}/x]/1.log")
    print_log(console, log)
    assert console.file.getvalue() == f"log: {log}\n"


def test_names_of_evaluated_folders_do_not_control_the_terminal(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    metrics = {"samples": 1, "features": "pixels", "metrics": {}, "blessed": True}
    metrics |= {"reasons": [], "warnings": [], "checks": []}
    name = "a\n\x1b[1m[red]"
    print_evaluation(console, [f"1 image in {name}"], metrics, {}, tmp_path / name)
    lines = console.file.getvalue().splitlines()
    assert r"Images   1 image in a\n\x1b[1m[red]" in lines
    assert rf"Report   {tmp_path}/a\n\x1b[1m[red]" in lines
