import json

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher import names as pusher_names
from components.atomic_pusher.versions import complete_versions
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.cli import main
from pipeline.registry.lineage import Run
from pipeline.registry.outcome import find_version
from pipeline.workspace import Workspace
from tests.recorded import Recorded, set_property, write_model
from trainer.names import FINGERPRINT, METADATA

TEACHER = (trainer_names.NODE, evaluator_names.NODE, pusher_names.NODE)
STUDENT = (trainer_names.STUDENT, evaluator_names.STUDENT_NODE, pusher_names.STUDENT_NODE)


def made(nodes, number, *, blessed, withdrawn=None):
    """What three nodes record of a model."""
    trainer, evaluator, _ = nodes
    model, blessing = (mlmd.Artifact(id=number, state=mlmd.Artifact.LIVE) for _ in range(2))
    model.uri = f"/artifacts/{number}"
    set_property(blessing.custom_properties[evaluator_names.BLESSED], int(blessed))
    if withdrawn:
        set_property(model.custom_properties["withdrawn"], withdrawn)
    return {
        (trainer, trainer_names.MODEL): model,
        (evaluator, evaluator_names.BLESSING): blessing,
    }


def test_a_run_without_a_student_serves_its_model():
    run = Run("id", artifacts=made(TEACHER, 1, blessed=True))
    assert run.student is None
    assert run.served is run


@pytest.mark.parametrize(
    ("student", "served"),
    [
        ({"blessed": True}, 2),
        ({"blessed": False}, 1),
        ({"blessed": True, "withdrawn": "blurred"}, 1),
    ],
)
def test_a_student_is_served_only_if_it_is_blessed_and_was_not_withdrawn(student, served):
    run = Run("id", artifacts=made(TEACHER, 1, blessed=True) | made(STUDENT, 2, **student))
    assert (run.model_number, run.student.model_number) == (1, 2)
    assert run.student.blessed is student["blessed"]
    assert run.served.model_number == served


def serve(folder, fingerprint, teacher=None):
    """Adds a version; returns it."""
    version = write_model(folder / str(1 + len(complete_versions(folder))))
    (version / FINGERPRINT).write_text(fingerprint)
    (version / METADATA).write_text(json.dumps({"teacher_model": teacher}))
    return version


def test_a_live_student_of_other_settings_is_accepted_only_without_an_own_one(tmp_path):
    artifacts = made(TEACHER, 1, blessed=True) | made(STUDENT, 2, blessed=True)
    for node in (trainer_names.NODE, trainer_names.STUDENT):
        artifact = artifacts[node, trainer_names.MODEL]
        artifact.uri = str(tmp_path / node)
        folder = write_model(tmp_path / node / trainer_names.SERVING)
        (folder / FINGERPRINT).write_text(node)
    run = Run("id", artifacts=artifacts)
    alone = Run("id", artifacts={k: v for k, v in artifacts.items() if k[0] in TEACHER})
    serving = tmp_path / "serving"
    assert find_version(run, serving) is None
    other = serve(serving, "another student", teacher=1)
    assert (find_version(run, serving), find_version(alone, serving)) == (None, other)
    own = serve(serving, trainer_names.STUDENT, teacher=1)
    assert (find_version(run, serving), find_version(alone, serving)) == (own, own)
    serve(serving, "another model")
    assert (find_version(run, serving), find_version(alone, serving)) == (None, None)


def test_no_student_of_a_withdrawn_teacher_is_served():
    teacher = made(TEACHER, 1, blessed=True, withdrawn="blurred")
    run = Run("id", artifacts=teacher | made(STUDENT, 2, blessed=True))
    assert (run.student.pushable, run.pushable) == (True, False)
    assert run.served is run


def test_a_run_of_a_student_alone_is_read_as_a_run_of_that_model():
    run = Run("id", artifacts=made(STUDENT, 2, blessed=False))
    assert run.model_number is None
    assert (run.student.model_number, run.student.blessed) == (2, False)


@pytest.fixture
def recorded(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.folder.mkdir()
    return Recorded(workspace.metadata, workspace.artifacts)


def distill(tmp_path, number, *options):
    arguments = ["distill", str(number), "--workspace", str(tmp_path / "workspace"), *options]
    return CliRunner().invoke(main, arguments)


def test_what_cannot_be_distilled_is_said_in_one_line(recorded, tmp_path):
    rejected = recorded.run(blessed=False)
    student = recorded.run()
    (artifact,) = recorded.store.get_artifacts_by_id([student])
    set_property(artifact.custom_properties[trainer_names.TEACHER], rejected)
    recorded.store.put_artifacts([artifact])
    for number, problem in (
        (10_000, "10000: neither a version nor a model; `iadb models` lists them"),
        (rejected, f"model {rejected}: not blessed; only a blessed or promoted model is distilled"),
        (student, f"model {student}: is a student of model {rejected}; distill that one"),
    ):
        result = distill(tmp_path, number)
        assert (result.exit_code, result.output) == (2, f"iadb: {problem}\n")


@pytest.mark.parametrize("given", ["kid", "kid=much", "kid=-1", "kidd=0.1", "psnr=1"])
def test_a_worsening_that_makes_no_sense_is_a_usage_error(recorded, tmp_path, given):
    model = recorded.run()
    result = distill(tmp_path, model, "--max-worsening", given)
    assert result.exit_code == 2
    assert f"invalid value for '--max-worsening': '{given}': " in result.output


def test_a_folder_without_runs_is_not_taken_for_a_workspace(tmp_path):
    result = distill(tmp_path, 1)
    assert result.exit_code == 2
    assert "no such folder" in result.output
