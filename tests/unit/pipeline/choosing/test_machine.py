"""What is found on the machine."""

import os

import pytest

from pipeline.choosing.machine import cluster_machine, this_machine
from pipeline.runners.kubeflow.config import KubeflowConfig


@pytest.mark.parametrize(("flag", "expected"), [("avx512_bf16", True), ("avx512_fp16", False)])
def test_the_machine_says_whether_it_multiplies_bfloat16(tmp_path, monkeypatch, flag, expected):
    (tmp_path / "cpuinfo").write_text(f"flags : fpu {flag}\n")
    monkeypatch.setattr("trainer.light.cpu.INFO", tmp_path / "cpuinfo")
    assert this_machine().bfloat16 is expected


def test_a_hidden_gpu_does_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert this_machine().gpus == this_machine().idle_gpus == 0
    assert this_machine().cores >= 1


@pytest.mark.parametrize(("installed", "gpus", "idle"), [(True, 2, 0), (False, 0, 2)])
def test_gpus_without_their_libraries_are_idle(tmp_path, monkeypatch, installed, gpus, idle):
    for number in range(2):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr("trainer.light.gpus.DEVICES", f"{tmp_path}/nvidia[0-9]*")
    libraries = ("json" if installed else "no_such", "no-such")
    monkeypatch.setattr("trainer.light.gpus.CUDA_LIBRARIES", libraries)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    found = this_machine()
    assert (found.gpus, found.idle_gpus) == (gpus, idle)


def test_the_threads_of_a_core_count_once(monkeypatch):
    context = "joblib.externals.loky.backend.context"
    monkeypatch.setattr(f"{context}._cpu_count_user", lambda cpus: cpus)
    monkeypatch.setattr(f"{context}._count_physical_cores", lambda: (3, None))
    assert this_machine().cores == 3


def test_where_threads_cannot_be_told_from_cores_they_are_counted_without_a_word(
    monkeypatch, capfd, recwarn
):
    def fail():
        raise FileNotFoundError("lscpu")

    context = "joblib.externals.loky.backend.context"
    monkeypatch.setattr(f"{context}._cpu_count_user", lambda cpus: cpus)
    monkeypatch.setattr(f"{context}._count_physical_cores_linux", fail)
    monkeypatch.setattr(f"{context}.physical_cores_cache", None)
    assert this_machine().cores == os.cpu_count()
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_a_share_of_the_cores_counts(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert this_machine().cores == 1


@pytest.mark.parametrize(
    ("options", "gpus", "replicas"),
    [
        ({}, 1, 1),
        ({"train_workers": 3}, 3, 3),
        ({"train_workers": 3, "nodes": {"Trainer": {"gpu": 2}}}, 6, 6),
        ({"train_workers": 3, "gpu": 0}, 0, 3),
        ({"gpu": 0}, 0, 1),
    ],
)
def test_on_a_cluster_the_gpus_of_all_workers_count(options, gpus, replicas):
    found = cluster_machine(KubeflowConfig.model_validate(options))
    assert (found.gpus, found.replicas) == (gpus, replicas)
