"""A run or a student that surely does not fit on its disk is refused in one line."""

import shutil

import pytest

from pipeline.config.pipeline_config import load
from pipeline.space import check_space, check_space_for_student, size
from pipeline.workspace import Workspace, WorkspaceError

PICTURES = load("digits", overrides=["data.resolution=64", "data.channels=3"])


@pytest.fixture
def disk(monkeypatch):
    """A function that sets the free bytes of the disk."""

    def leave(free):
        usage = shutil._ntuple_diskusage(10**12, 10**12 - free, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    return leave


def test_a_run_is_refused_if_its_images_do_not_fit(tmp_path, disk):
    config = PICTURES
    disk(10**9)
    check_space(config, Workspace(tmp_path), 1000)
    with pytest.raises(WorkspaceError) as refused:
        check_space(config, Workspace(tmp_path), 1_000_000)
    assert str(refused.value).startswith(
        f"workspace {tmp_path}: 1.0 GB are free on its disk, and this run needs at least 5"
    )
    assert "1,000,000 images as examples, twice while they are converted" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_images_that_were_converted_before_are_not_counted_again(tmp_path, disk):
    workspace = Workspace(tmp_path)
    (workspace.artifacts / "ImageExampleGen" / "examples").mkdir(parents=True)
    disk(10**9)
    check_space(PICTURES, workspace, 1_000_000)


def test_a_run_is_refused_if_its_weights_fill_the_disk(tmp_path, disk):
    config = load("digits", overrides=["model.channels=[32,6400]"])
    disk(10**9)
    with pytest.raises(WorkspaceError, match=r"this run needs at least \d+ GB \(5 images as exam"):
        check_space(config, Workspace(tmp_path), 5)
    with pytest.raises(WorkspaceError, match=r"a student of model 7 needs at least .* GB \(check"):
        check_space_for_student(config, Workspace(tmp_path), 7)
    check_space_for_student(load("digits"), Workspace(tmp_path), 7)


def test_a_disk_that_does_not_know_its_size_limits_nothing(tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(0, 0, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    check_space(PICTURES, Workspace(tmp_path), 10**9)


@pytest.mark.parametrize(
    ("count", "text"), [(464, "464 B"), (1600, "1.6 kB"), (98e6, "98 MB"), (2.048e12, "2,048 GB")]
)
def test_sizes_are_in_units(count, text):
    assert size(count) == text
