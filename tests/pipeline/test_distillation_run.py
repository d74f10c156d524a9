"""Runs that distill each blessed model: the student, the gate between the two, the push."""

import json

import pytest
from click.testing import CliRunner

from components.atomic_pusher import names as pusher_names
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.cli import main
from pipeline.registry import lineage, serving
from pipeline.registry.models import load_models
from pipeline.registry.outcome import parse_result
from pipeline.results.kept import LATEST
from tests.pipeline.conftest import RESOLVERS, states
from tests.pipeline.stand_ins import quick_evaluation, quick_network
from trainer.common import exit_codes
from trainer.names import MODEL_CARD

pytestmark = pytest.mark.slow

TINY = ("distill.enabled=true", "distill.steps=4", "distill.nfe=1")
STUDENTS = (
    trainer_names.STUDENT,
    evaluator_names.STUDENT_NODE,
    pusher_names.STUDENT_NODE,
)


def student_states(run):
    return [states(run).get(node) for node in STUDENTS]


def models(runs):
    return load_models(lineage.connect(runs.workspace.metadata), runs.workspace.serving)


def distill(runs, teacher):
    """Distills a model by `iadb distill`, always with the same options."""
    options = ["--nfe", "2"]
    folder = str(runs.workspace.folder)
    with quick_network():
        return CliRunner().invoke(
            main, ["distill", str(teacher.number), "--workspace", folder, *options]
        )


@pytest.fixture(scope="module")
def distilled(trained, tmp_path_factory):
    """A copy of the workspace, in which the next model has a student."""
    runs = trained.copy(tmp_path_factory.mktemp("distilled") / "workspace")
    runs.first = runs.run(*TINY)
    runs.first_output = runs.output
    return runs


def test_a_blessed_student_is_live_with_its_own_steps_and_names_its_teacher(distilled):
    assert student_states(distilled.first) == ["done"] * 3
    *_, teacher, student = models(distilled)
    assert student.teacher == teacher.number
    assert (teacher.live, student.live) == (False, True)
    live = serving.latest_model(distilled.workspace.serving)
    metadata = serving.read_metadata(live)
    assert metadata["teacher_model"] == teacher.number
    assert metadata["teacher"] == str(teacher.folder)
    assert (metadata["solver"], metadata["nb_step"], metadata["nfe"]) == ("euler", 1, 1)


def test_teacher_and_student_have_cards_of_their_own(distilled):
    *_, teacher, student = models(distilled)
    for model, parent in ((teacher, None), (student, teacher)):
        version = distilled.workspace.serving / str(model.versions[-1])
        card = (version / MODEL_CARD).read_text("utf-8")
        assert f"# Model {model.number}\n" in card
        assert "| images | 1,797, including " in card
        assert ("started from" in card) == bool(parent)
        assert not parent or f"| started from | model {parent.number} |" in card


def test_the_student_is_compared_with_its_teacher_seed_by_seed(distilled):
    evaluation = distilled.first.student.evaluation
    metrics = json.loads((evaluation / evaluator_names.METRICS_JSON).read_text())
    assert metrics["baseline"]["uri"] == str(distilled.first.model.parent)
    assert len(metrics["seed_distance"]["by_seed"]) == metrics["samples"]
    sentence = metrics["seed_distance"]["sentence"]
    assert sentence in (evaluation / evaluator_names.REPORT_HTML).read_text()
    assert "1 step, blessed" in distilled.first_output.replace("\n", " ")
    assert distilled.first.metrics["seed_distance"] is None


def test_models_shows_the_pair(distilled):
    result = CliRunner().invoke(main, ["models", "--workspace", str(distilled.workspace.folder)])
    *_, teacher, _ = models(distilled)
    assert f"live, student of {teacher.number}, blessed" in " ".join(result.output.split())


def test_a_second_run_finds_everything_in_the_cache_and_pushes_nothing(distilled):
    before = models(distilled)
    again = distilled.run(*TINY)
    cached = {state for node, state in states(again).items() if node not in RESOLVERS}
    assert cached == {"cached"}
    assert len(models(distilled)) == len(before)
    assert models(distilled)[-1].live


def test_distill_makes_another_student_that_later_runs_leave_live(distilled):
    before = models(distilled)
    teacher = before[-2]
    folder = str(distilled.workspace.folder)
    result = distill(distilled, teacher)
    assert result.exit_code == 0, result.output
    assert "2 steps, blessed" in result.output
    newest = models(distilled)[-1]
    assert (newest.teacher, newest.live, newest.parent) == (teacher.number, True, teacher.number)
    metadata = serving.read_metadata(newest.folder)
    assert metadata["fixed_steps"]
    assert metadata["config"]["train"]["steps"] == 2  # a fifth of those of its teacher
    record = distilled.last()
    assert (record.model_number, record.blessed) == (newest.number, True)
    result = CliRunner().invoke(main, ["runs", "--workspace", folder])
    assert result.exit_code == 0, result.output
    live = serving.latest_model(distilled.workspace.serving)
    distilled.run()  # without a student of its own
    assert serving.latest_model(distilled.workspace.serving) == live
    assert len(models(distilled)) == len(before) + 1


def test_a_run_that_has_another_student_pushes_that_again(distilled):
    distilled.run(*TINY)
    *_, own, _ = models(distilled)
    assert own.live
    assert "pushing it again" in distilled.output


def test_distill_pushes_its_student_again(distilled):
    *_, teacher, _, student = models(distilled)
    result = distill(distilled, teacher)
    assert result.exit_code == 0, result.output
    assert "pushing it again" in result.output
    *_, again = models(distilled)
    assert (again.number, again.live) == (student.number, True)
    assert str(serving.latest_model(distilled.workspace.serving)) in result.output


def test_distill_does_not_push_a_withdrawn_student_again(distilled):
    folder = str(distilled.workspace.folder)
    result = CliRunner().invoke(main, ["rollback", "--workspace", folder, "--reason", "blurred"])
    assert result.exit_code == 0, result.output
    *_, teacher, own, withdrawn = models(distilled)
    assert (own.live, withdrawn.withdrawn) == (True, "blurred")
    with quick_evaluation(distilled.first.student.evaluation):
        result = distill(distilled, teacher)
    assert result.exit_code == exit_codes.NOT_BLESSED
    assert "Model    withdrawn: blurred" in result.output
    assert models(distilled)[-2].live


def test_a_student_that_is_worse_is_not_pushed_and_the_teacher_stays(distilled):
    worse = "evaluate.thresholds.kid={maximum: 100.0, max_worsening: 0.0}"
    # Another teacher of the same weights, from the checkpoint of the first.
    run = distilled.run(*TINY, "train.log_every=7", "distill.learning_rate=1.0", worse)
    assert run.blessed
    assert run.student.blessed is False
    assert "worse than the baseline" in run.student.reason
    assert "the live model stays" in distilled.output
    # The baseline of the teacher is no student, although one is the newest blessed model.
    assert run.metrics["baseline"]["uri"] == str(distilled.first.model.parent)
    assert run.pushed == serving.latest_model(distilled.workspace.serving)


def test_no_student_follows_a_model_that_is_not_blessed(distilled):
    with quick_evaluation(distilled.first.evaluation):
        run = distilled.run(*TINY, "evaluate.thresholds.kid.maximum=0.0001")
    assert student_states(run) == [None] * 3
    assert "StudentPusher      skipped" in distilled.output
    assert (run.student, run.pushed) == (None, None)


def test_a_student_that_fails_leaves_its_teacher_judged_and_live(distilled, monkeypatch):
    def fail(*_):
        raise MemoryError("out of memory")

    quick = quick_evaluation(distilled.first.student.evaluation)
    with quick, monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("trainer.train.build_student", fail)
        distilled.run(*TINY, "train.log_every=9")
    run = distilled.last()
    assert parse_result(run.result).exit_code == exit_codes.UNEXPECTED
    assert run.pushed == serving.latest_model(distilled.workspace.serving)
    report = (distilled.workspace.reports / LATEST).read_bytes()
    assert report == (run.evaluation / evaluator_names.REPORT_HTML).read_bytes()
    with quick_evaluation(distilled.first.student.evaluation):
        again = distilled.run(*TINY, "train.log_every=9")
    assert (states(again)[trainer_names.NODE], student_states(again)) == ("cached", ["done"] * 3)


def test_another_verdict_on_the_teacher_trains_nothing(distilled):
    limit = "evaluate.thresholds.kid.maximum=50.0"
    with quick_evaluation(distilled.first.student.evaluation):
        run = distilled.run(*TINY, "train.log_every=9", limit)
    assert (states(run)[trainer_names.NODE], student_states(run)) == ("cached", ["done"] * 3)
    assert serving.read_metadata(run.student.model)["metrics"]["resumed_from_step"] == 4


def test_after_a_rollback_past_teacher_and_student_no_new_student_is_pushed(distilled):
    first, folder = models(distilled)[0], str(distilled.workspace.folder)
    result = CliRunner().invoke(main, ["rollback", str(first.number), "--workspace", folder])
    assert result.exit_code == 0, result.output
    live = serving.latest_model(distilled.workspace.serving)
    with quick_evaluation(distilled.first.student.evaluation):
        run = distilled.run(*TINY)
    assert (states(run)[trainer_names.NODE], run.withdrawn) == ("cached", "rolled back")
    assert run.student is None or run.student.pushed is None
    assert serving.latest_model(distilled.workspace.serving) == live
    assert parse_result(run.result).exit_code == exit_codes.NOT_BLESSED


def test_a_withdrawn_model_that_is_exported_again_stays_withdrawn(distilled):
    folder = str(distilled.workspace.folder)
    live = serving.latest_model(distilled.workspace.serving)
    with quick_evaluation(distilled.first.evaluation):
        bad = distilled.run("train.seed=5")
        assert bad.pushed
        result = CliRunner().invoke(main, ["rollback", "--workspace", folder, "--reason", "bad"])
        assert result.exit_code == 0, result.output
        again = distilled.run("train.seed=5", "train.log_every=8")
    assert (states(again)[trainer_names.NODE], again.withdrawn, again.pushed) == (
        "done",
        "bad",
        None,
    )
    assert serving.is_copy(serving.latest_model(distilled.workspace.serving), live)
