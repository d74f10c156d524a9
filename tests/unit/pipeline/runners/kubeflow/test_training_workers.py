import json

import pytest
import yaml

from components.image_trainer.job_options import VARIABLE, JobOptions
from pipeline.cluster.compile import compile_package
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.runners.kubeflow.workers import with_workers

OPTIONS = KubeflowConfig.model_validate(
    {
        "image": "registry/iadb-tfx:1",
        "image_pull_secrets": ["registry"],
        "default": {"cpu": "2", "env": {"TZ": "$(B) {{c}}"}},
        "nodes": {
            "Trainer": {
                "cpu": "8",
                "memory": "32Gi",
                "gpu": 2,
                "shared_memory": "4Gi",
                "volumes": {"scratch": "/scratch"},
                "secrets": {"KEY": {"secret": "keys", "key": "first"}},
                "node_selector": {"pool": "gpus"},
                "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
            }
        },
    }
)


def job_of(options):
    text = options.of_node("Trainer").env[VARIABLE]
    assert "$(" not in text
    assert "{{" not in text
    return JobOptions.model_validate_json(text)


def test_the_workers_get_the_options_of_the_node():
    job = job_of(with_workers(OPTIONS, "Trainer", 3))
    assert job.workers == 3
    assert json.loads(json.dumps(job.template)) == {
        "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "containers": [
                {
                    "name": "trainer",
                    "image": "registry/iadb-tfx:1",
                    "env": [
                        {"name": "IADB_GPUS", "value": "2"},
                        {"name": "TZ", "value": "$(B) {{c}}"},
                        {
                            "name": "KEY",
                            "valueFrom": {"secretKeyRef": {"name": "keys", "key": "first"}},
                        },
                    ],
                    "resources": {
                        kind: {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}
                        for kind in ("limits", "requests")
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "iadb", "mountPath": "/mnt/iadb"},
                        {"name": "scratch", "mountPath": "/scratch"},
                        {"name": "shm", "mountPath": "/dev/shm"},
                    ],
                }
            ],
            "imagePullSecrets": [{"name": "registry"}],
            "nodeSelector": {"pool": "gpus"},
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "serviceAccountName": "iadb",
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "volumes": [
                {"name": "iadb", "persistentVolumeClaim": {"claimName": "iadb"}},
                {"name": "scratch", "persistentVolumeClaim": {"claimName": "scratch"}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}},
            ],
        },
    }


def test_the_pod_that_waits_for_workers_has_the_default_resources():
    options = with_workers(OPTIONS, "Trainer", 2)
    waits = options.of_node("Trainer")
    assert (waits.gpu, waits.cpu, waits.memory) == (0, "2", None)
    assert (waits.node_selector, waits.tolerations, waits.shared_memory) == ({}, (), None)
    assert waits.volumes == {"scratch": "/scratch"}
    assert options.of_node("Transform") == OPTIONS.of_node("Transform")


def test_workers_without_a_gpu_see_none():
    options = KubeflowConfig.model_validate({"nodes": {"Trainer": {"env": {"TZ": "B"}}}})
    (container,) = job_of(with_workers(options, "Trainer", 2)).template["spec"]["containers"]
    assert container["env"] == [
        {"name": "CUDA_VISIBLE_DEVICES", "value": "-1"},
        {"name": "TZ", "value": "B"},
    ]


def test_one_worker_is_the_pod_itself():
    assert with_workers(OPTIONS, "Trainer", 1) == OPTIONS


def test_only_the_environment_of_the_trainer_has_the_workers(tmp_path):
    overrides = ["kubeflow.train_workers=4", "kubeflow.gpu=2", "kubeflow.image=here/iadb-tfx:1"]
    compile_package(load("digits", overrides=overrides), tmp_path / "package.yaml")
    package = next(yaml.safe_load_all((tmp_path / "package.yaml").read_text()))
    containers = {
        name: executor["container"]
        for name, executor in package["deploymentSpec"]["executors"].items()
    }
    jobs = {
        name: JobOptions.model_validate_json(variable["value"])
        for name, container in containers.items()
        for variable in container.get("env", [])
        if variable["name"] == VARIABLE
    }
    assert list(jobs) == ["exec-trainer"]
    assert jobs["exec-trainer"].workers == 4
    (worker,) = jobs["exec-trainer"].template["spec"]["containers"]
    assert worker["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert "accelerator" not in containers["exec-trainer"].get("resources", {})


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["kubeflow.nodes.Trainer.gpu=3"],
            "train.batch_size=64 is not divisible by the 3 replicas",
        ),
        (
            ["distill.enabled=true", "kubeflow.nodes.Student.gpu=3"],
            "train.batch_size=64 is not divisible by the 3 replicas",
        ),
        (["kubeflow.train_workers=3"], "train.batch_size=64 is not divisible by the 3 replicas"),
        (["kubeflow.train_workers=2", "train.accumulate=2"], "train.accumulate=2 needs a single r"),
    ],
)
def test_replicas_that_cannot_share_a_batch_are_refused_before_anything_starts(
    tmp_path, overrides, problem
):
    given = ["data.folder=/mnt/iadb/data", "train.batch_size=64", *overrides]
    with pytest.raises(ConfigError, match=f"^kubeflow: (Trainer|Student): {problem}"):
        compile_package(load("digits", overrides=given), tmp_path / "package.yaml")


def test_a_bucket_in_place_of_the_volume_mounts_none_unless_it_is_set():
    bucket = {"root": "gs://bucket/folder"}
    assert KubeflowConfig.model_validate({}).volumes == {"iadb": "/mnt/iadb"}
    assert KubeflowConfig.model_validate(bucket).volumes == {}
    assert KubeflowConfig.model_validate(bucket | {"volumes": {"a": "/b"}}).volumes == {"a": "/b"}
