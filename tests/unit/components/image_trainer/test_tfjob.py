"""Jobs on a stand-in for a cluster, whose pods are processes."""

import os
import signal
import threading
import time

import pytest

from components.image_trainer import tfjob
from components.image_trainer.job_options import VARIABLE, JobOptions, read_job_options
from trainer.common import exit_codes

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
INDEX = "import json, os; index = json.loads(os.environ['TF_CONFIG'])['task']['index']; "


def run(options, code):
    tfjob.run("train", options, ["python", "-c", code])


def wait_for(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def while_running(cluster, act):
    """Acts from another thread as soon as both workers have printed something."""

    def wait_and_act():
        wait_for(lambda: sum(bool(pod.lines) for pod in list(cluster.pods.values())) == 2)
        act()

    threading.Thread(target=wait_and_act, daemon=True).start()


def is_gone(cluster, name="train"):
    """Whether the job and all of its processes are gone."""
    wait_for(lambda: all(pod.finished for pod in cluster.pods_of(name)))
    return cluster.get(name)[0] == 404


def test_the_command_runs_in_every_worker_and_each_line_is_copied_once(
    cluster, job_options, capfd, tmp_path
):
    # Its first worker ends a job: it waits until the second has printed, and then for some polls.
    while_running(cluster, (tmp_path / "both").touch)
    code = (
        INDEX + f"import pathlib, time; both = pathlib.Path({str(tmp_path / 'both')!r})\n"
        "print('I am', index, flush=True)\n"
        "while not both.exists(): time.sleep(0.01)\n"
        "time.sleep(1); print('done')"
    )
    run(job_options, code)
    output = capfd.readouterr().out
    for index in range(2):
        assert output.count(f"  worker {index}: I am {index}\n") == 1
    assert output.count("  worker 0: done\n") == 1
    assert is_gone(cluster)


def test_the_pods_are_made_of_the_template_and_belong_to_this_pod(cluster, monkeypatch):
    monkeypatch.setenv("POD_NAME", "trainer-1")
    monkeypatch.setenv("POD_UID", "12-34")
    container = {
        "name": "trainer",
        "image": "iadb-tfx",
        "env": [{"name": "A", "value": "B"}],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    template = {"spec": {"containers": [container], "nodeSelector": {"disk": "ssd"}}}
    run(JobOptions(workers=3, template=template), "import os; assert os.environ['A'] == 'B'")
    (body,) = cluster.created
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "trainer-1", "uid": "12-34"}
    assert body["metadata"]["ownerReferences"] == [owner]
    workers = body["spec"]["tfReplicaSpecs"]["Worker"]
    assert workers["replicas"] == 3
    (made,) = workers["template"]["spec"].pop("containers")
    assert workers["template"]["spec"] == {"nodeSelector": {"disk": "ssd"}}
    assert made["name"] == "tensorflow"
    assert {key: made[key] for key in ("image", "env", "resources")} == {
        key: container[key] for key in ("image", "env", "resources")
    }


@pytest.mark.slow
def test_the_last_line_of_the_worker_that_failed_first_is_the_error(
    cluster, job_options, monkeypatch, tmp_path
):
    monkeypatch.setattr(tfjob, "POLL_SECONDS", 4)  # both have ended at the next poll
    code = (
        f"import json, os, pathlib, time; failed = pathlib.Path({str(tmp_path / 'failed')!r})\n"
        "if json.loads(os.environ['TF_CONFIG'])['task']['index']:\n"
        "    raise AssertionError('no luck')\n"
        "while not failed.exists(): time.sleep(0.01)\n"
        "raise OSError('lost')"
    )

    def end_the_other():
        wait_for(lambda: any(pod.finished for pod in list(cluster.pods.values())))
        (tmp_path / "failed").touch()

    threading.Thread(target=end_the_other, daemon=True).start()
    with pytest.raises(tfjob.TFJobError) as error:
        run(job_options, code)
    assert str(error.value) == (
        "TFJob images/train: worker 1 exited with code 1 (Error): AssertionError: no luck"
    )
    assert is_gone(cluster)


@pytest.mark.parametrize(("code", "cause"), [(exit_codes.DATA, exit_codes.DATA), (137, None)])
def test_an_error_has_the_exit_code_of_its_worker_where_that_names_a_cause(
    cluster, job_options, code, cause
):
    with pytest.raises(tfjob.TFJobError) as error:
        run(job_options, f"exit({code})")
    assert error.value.exit_code == cause


def test_a_job_that_someone_else_deletes_is_an_error(cluster, job_options):
    while_running(cluster, lambda: cluster.remove("train"))
    with pytest.raises(tfjob.TFJobError, match="images/train: deleted by someone else"):
        run(job_options, SLEEP)


def test_what_the_cluster_forbids_is_reported_in_its_words(cluster, job_options):
    cluster.answers["POST"] = (403, "tfjobs.kubeflow.org is forbidden: User iadb cannot create")
    with pytest.raises(tfjob.TFJobError) as error:
        run(job_options, SLEEP)
    assert str(error.value) == (
        "TFJob images/train: tfjobs.kubeflow.org is forbidden: User iadb cannot create"
    )


def test_a_cluster_without_the_operator_is_an_error(cluster, job_options):
    cluster.answers["POST"] = (404, "the server could not find the requested resource")
    with pytest.raises(tfjob.TFJobError, match="install Kubeflow's training operator"):
        run(job_options, SLEEP)


def test_calls_are_retried_while_the_api_server_is_unavailable(cluster, job_options):
    def fail_for_a_while():
        cluster.answers["GET"] = (503, "etcd is electing a leader")
        time.sleep(1)
        del cluster.answers["GET"]

    while_running(cluster, fail_for_a_while)
    run(job_options, "import time; print('up', flush=True); time.sleep(2)")
    assert is_gone(cluster)


def test_an_api_server_that_stays_unavailable_is_an_error(cluster, job_options, monkeypatch):
    monkeypatch.setattr(tfjob, "PATIENCE_SECONDS", 0.5)
    while_running(cluster, lambda: cluster.answers.update(GET=(503, "etcd has no leader")))
    with pytest.raises(tfjob.TFJobError, match="images/train: etcd has no leader"):
        run(job_options, SLEEP)
    del cluster.answers["GET"]
    assert is_gone(cluster)


def test_sigterm_deletes_the_job(cluster, job_options):
    while_running(cluster, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stop:
        run(job_options, SLEEP)
    assert stop.value.code == 143
    assert is_gone(cluster)


def test_the_job_of_an_earlier_attempt_ends_before_another_starts(cluster, job_options, tmp_path):
    # Saving takes it a second.
    code = (
        "import pathlib, signal, time\n"
        "def save(*_):\n"
        f"    time.sleep(1); pathlib.Path({str(tmp_path / 'saved')!r}).touch(); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, save); print('up', flush=True); time.sleep(600)"
    )
    earlier = tfjob._body("train", job_options, ["python", "-c", code])
    assert cluster.create(earlier)[0] == 201
    wait_for(lambda: all(pod.lines for pod in list(cluster.pods.values())))
    run(job_options, f"import os; assert os.path.exists({str(tmp_path / 'saved')!r})")
    assert len(cluster.created) == 2
    assert is_gone(cluster)


def test_a_job_that_replaced_this_one_is_left_alone(cluster, job_options):
    while_running(cluster, lambda: cluster.jobs["train"]["metadata"].update(uid="another"))
    with pytest.raises(tfjob.TFJobError, match="deleted by someone else"):
        run(job_options, SLEEP)
    assert "deletionTimestamp" not in cluster.jobs["train"]["metadata"]


def test_the_environment_configures_the_workers(monkeypatch, job_options):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_job_options() is None
    monkeypatch.setenv(VARIABLE, job_options.model_dump_json())
    assert read_job_options() == job_options
    monkeypatch.setenv(VARIABLE, '{"workers": 1, "template": {}}')
    with pytest.raises(ValueError, match=r"^IADB_TFJOB: workers: got 1; input should be") as error:
        read_job_options()
    assert "\n" not in str(error.value)
