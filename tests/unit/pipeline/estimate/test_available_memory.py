"""The memory of a machine, and of a container on it."""

import pytest

from pipeline.estimate import available_memory as module
from pipeline.estimate.available_memory import available_memory

MACHINE = 8_000_000 * 1024


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder in place of that of control groups."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       9000000 kB\nMemAvailable:    8000000 kB\n")
    monkeypatch.setattr(module, "MEMINFO", meminfo)
    monkeypatch.setattr(module, "CGROUPS", tmp_path)
    monkeypatch.setattr(module, "OWN_GROUPS", tmp_path / "cgroup")
    return tmp_path


def test_without_a_container_it_is_that_of_the_machine():
    assert available_memory() == MACHINE


@pytest.mark.parametrize(
    ("limit", "available"), [("max\n", MACHINE), ("5000\n", 1100), (f"{2**62}\n", MACHINE)]
)
def test_a_container_may_use_what_is_left_of_its_limit(place, limit, available):
    (place / "memory.max").write_text(limit)
    (place / "memory.current").write_text("4000\n")
    (place / "memory.stat").write_text("anon 3900\ninactive_file 100\n")
    assert available_memory() == available


def test_control_groups_of_the_first_version_are_read(place):
    (place / "memory").mkdir()
    (place / "memory" / "memory.limit_in_bytes").write_text("5000\n")
    (place / "memory" / "memory.usage_in_bytes").write_text("4000\n")
    (place / "memory" / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 100\n")
    assert available_memory() == 1100


@pytest.mark.parametrize(
    ("own", "folder", "names"),
    [
        ("0::/user.slice/job\n", "user.slice", ("memory.max", "memory.current")),
        (
            "9:cpu,memory:/slurm/job/step\n1:name=systemd:/other\n",
            "memory/slurm/job",
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ),
    ],
)
def test_a_job_may_use_what_is_left_of_the_limit_of_each_group_that_it_is_in(
    place, own, folder, names
):
    (place / "cgroup").write_text(own)
    group = place / folder
    group.mkdir(parents=True)
    for name, amount in zip((*names, "memory.stat"), ("5000", "4000", "anon 1"), strict=True):
        (group / name).write_text(f"{amount}\n")
    assert available_memory() == 1000


def test_nothing_is_left_where_more_is_used_than_the_limit(place):
    for name, amount in (("max", "1000"), ("current", "5000"), ("stat", "anon 1")):
        (place / f"memory.{name}").write_text(f"{amount}\n")
    assert available_memory() == 0
