"""Pinned weights: tools can check the digest, and nothing else is loaded."""

import hashlib
import subprocess

import pytest
import tensorflow as tf

from components.features.digest import digest, pinned
from components.features.errors import FeatureError

SHELL = "find -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum"


@pytest.fixture
def folder(tmp_path):
    """Files at several depths, one with a name that no shell likes."""
    files = {"model/a/b": b"1", "model/ä \n": b"3", "model/a/c/d": b"4"}
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "model"


@pytest.fixture
def remote(folder):
    """The same folder on TensorFlow's in-memory file system."""
    root = f"ram://{folder.parent.name}/model"
    for path in folder.rglob("*"):
        if path.is_file():
            target = f"{root}/{path.relative_to(folder)}"
            tf.io.gfile.makedirs(target.rpartition("/")[0])
            tf.io.gfile.copy(str(path), target)
    return root


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 10_000)
    assert digest(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_digest_of_a_folder_is_what_the_shell_prints(folder):
    (folder / "a.b").write_bytes(b"2")  # comes before a/b, though "a" comes before "a.b"
    printed = subprocess.run(SHELL, shell=True, cwd=folder, capture_output=True, text=True).stdout
    assert digest(str(folder)) == printed.split()[0]


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_any_change_of_a_folder_changes_its_digest(folder, change):
    before = digest(str(folder))
    if change == "content":
        (folder / "a/b").write_bytes(b"2")
    elif change == "name":
        (folder / "a/b").rename(folder / "a/e")
    else:
        (folder / "z").write_bytes(b"")
    assert digest(str(folder)) != before


def test_local_and_remote_copies_have_one_digest(folder, remote):
    assert digest(remote) == digest(f"{remote}/") == digest(str(folder))
    assert digest(f"{remote}/a/b") == digest(str(folder / "a/b"))


@pytest.mark.parametrize("place", ["local", "remote"])
def test_what_is_pinned_is_given_as_a_copy(folder, remote, place):
    source = {"local": str(folder), "remote": remote}[place]
    with pinned(source, digest(source)) as path:
        assert path.name == "model"
        assert path != folder
        assert (path / "a/b").read_bytes() == b"1"
    assert not path.exists()


def test_a_pinned_file_comes_without_its_neighbors(folder):
    with pinned(str(folder / "a/b"), digest(str(folder / "a/b"))) as path:
        assert [file.name for file in path.parent.iterdir()] == ["b"]


def test_another_digest_stops_with_both_of_them_and_the_place(folder):
    expected = "0" * 64
    with pytest.raises(FeatureError) as caught, pinned(str(folder), expected):
        pass
    message = str(caught.value)
    for part in (expected, digest(str(folder)), str(folder), "evaluate.features.sha256"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("uri", ["/no/such/file", "ram://no/such/file", "nosuch://file"])
def test_what_is_missing_is_named_in_one_line(uri):
    with pytest.raises(FeatureError, match=uri) as caught:
        digest(uri)
    assert "\n" not in str(caught.value)
