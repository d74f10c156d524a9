import json
import re
import shutil

import pytest

from data import emoji
from data.emoji import CHECKSUM, GROUP_PATTERN, write
from data.errors import DataError

ASSETS = {"1f44b.webp": b"hand", "1f44b-1f3fd.webp": b"brown hand", "2a-fe0f-20e3.webp": b"key"}


@pytest.fixture
def tarball(tmp_path, make_tar):
    members = [(f"package/assets/{name}", content) for name, content in ASSETS.items()]
    return make_tar(tmp_path / "emoji.tgz", [("package/README.md", b"text"), *members])


@pytest.fixture
def published(tarball, checksum_of, monkeypatch):
    """The tarball, as if it were the published one."""
    monkeypatch.setattr(emoji, "CHECKSUM", checksum_of(tarball))
    return tarball


@pytest.mark.parametrize(
    ("name", "group"),
    [  # names in the package
        ("1f44b.webp", "1f44b"),
        ("1f385-1f3fc.webp", "1f385"),
        ("1f3c3-1f3fb-200d-2640-fe0f.webp", "1f3c3"),
        ("1f468-1f3fb-200d-2764-fe0f-200d-1f468-1f3fb.webp", "1f468"),
        ("270d-1f3ff.webp", "270d"),
        ("1f170-fe0f.webp", "1f170"),
        ("1f1e6-1f1e8.webp", "1f1e6"),
        ("1f3f4-e0067_e0062_e0065_e006e_e0067.webp", "1f3f4"),
        ("0023-fe0f-20e3.webp", "23"),
        ("23-fe0f-20e3.webp", "23"),
        ("00a9-fe0f.webp", "a9"),
        ("a9-fe0f.webp", "a9"),
    ],
)
def test_the_group_pattern_captures_the_base_code_point(name, group):
    pattern = re.compile(GROUP_PATTERN)
    assert pattern.groups == 1
    assert pattern.search(name)[1] == group
    assert pattern.search(f"span-1/cafe/{name}")[1] == group


def test_the_assets_are_written_flat_and_nothing_else(tmp_path, published, files_in):
    assert write(tmp_path / "target", str(published)) == 3
    assert files_in(tmp_path / "target") == ASSETS


def test_a_tarball_other_than_the_published_is_rejected(tmp_path, tarball):
    with pytest.raises(DataError, match=re.escape(CHECKSUM.removeprefix("sha256:"))):
        write(tmp_path / "target", str(tarball))
    assert not (tmp_path / "target").exists()


def test_without_npm_the_error_has_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"fluent-emoji-3d@1\.1\.0: npm is not installed; .*local"):
        write(tmp_path / "target")


def use_registry(monkeypatch, url, cache):
    monkeypatch.setenv("npm_config_registry", url)
    monkeypatch.setenv("npm_config_cache", str(cache))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_update_notifier", "false")


needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@needs_npm
def test_without_a_source_npm_pack_downloads_the_tarball(
    tmp_path, published, files_in, serve_with, monkeypatch
):
    def registry(path, host):
        body = published.read_bytes()
        if not path.endswith(".tgz"):
            version = {"name": "@lobehub/fluent-emoji-3d", "version": "1.1.0"}
            version["dist"] = {"tarball": f"http://{host}/emoji.tgz"}
            body = json.dumps({"name": version["name"], "versions": {"1.1.0": version}}).encode()
        return {"Content-Length": str(len(body))}, body

    use_registry(monkeypatch, serve_with(registry), tmp_path / "cache")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert write(tmp_path / "target") == 3
    assert files_in(tmp_path / "target") == ASSETS
    assert files_in(tmp_path / "here") == {}


@needs_npm
def test_a_failing_npm_pack_is_one_line(tmp_path, serve, monkeypatch):
    use_registry(monkeypatch, serve(tmp_path), tmp_path / "cache")
    with pytest.raises(DataError, match=r"npm pack failed \(.*404.*\); check the network") as error:
        write(tmp_path / "target")
    assert "\n" not in str(error.value)
