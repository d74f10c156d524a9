import hashlib
import resource
import tarfile

import pytest

from data.archives import obtain, read_files
from data.errors import DataError

ANY = "sha256:00"


@pytest.mark.parametrize("name", ["a.tar", "a.tgz"])
def test_a_tar_yields_its_files_in_order_without_folders(tmp_path, make_tar, name):
    folder = tarfile.TarInfo("sub")
    folder.type = tarfile.DIRTYPE
    path = make_tar(tmp_path / name, [(folder, b""), ("sub/b.jpg", b"two"), ("a.jpg", b"1")])
    assert list(read_files(path)) == [("sub/b.jpg", b"two"), ("a.jpg", b"1")]


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_with_the_right_checksum_is_accepted_and_with_a_wrong_one_rejected(
    tmp_path, algorithm
):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    right = f"{algorithm}:{hashlib.new(algorithm, b'content').hexdigest()}"
    assert obtain(str(path), right) == path
    path.write_bytes(b"content!")
    with pytest.raises(DataError, match=f"damaged or a different file: its {algorithm}") as error:
        obtain(str(path), right)
    assert "\n" not in str(error.value)
    assert path.exists()


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"no file .*/x: expected an existing file or a URL"):
        obtain(str(tmp_path / "x"), ANY)


def test_a_url_is_downloaded_once(tmp_path, serve, cache, checksum_of, capfd):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(3 << 20))
    url, checksum = f"{serve(tmp_path)}/a.bin", checksum_of(path)
    given = obtain(url, checksum)
    assert given.read_bytes() == path.read_bytes()
    assert given.parent == cache
    path.unlink()
    assert obtain(url, checksum) == given
    assert capfd.readouterr() == ("", "")


def assert_fails(url, cache, message):
    with pytest.raises(DataError, match=message) as error:
        obtain(url, ANY)
    assert "\n" not in str(error.value)
    assert list(cache.glob("*")) == []
    return str(error.value)


def test_a_download_with_a_wrong_checksum_is_rejected(tmp_path, serve, cache):
    (tmp_path / "a.bin").write_bytes(b"content")
    url = f"{serve(tmp_path)}/a.bin"
    found = hashlib.sha256(b"content").hexdigest()
    assert_fails(url, cache, f"rejected {url}: .* expected {ANY} but got {found}")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": "1000"}, bytes(400)),
        ({"Transfer-Encoding": "chunked"}, b"400\r\n" + bytes(100)),  # declares 0x400 bytes
    ],
)
def test_an_interrupted_download_leaves_nothing(serve_with, cache, headers, body):
    url = serve_with(lambda path, host: (headers, body))
    assert_fails(url, cache, f"cannot download {url}: .*broken.*; check the network")


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, serve, cache):
    (tmp_path / "a.bin").write_bytes(bytes(2000))
    url = f"{serve(tmp_path)}/a.bin"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # similar to a full disk
    try:
        assert_fails(url, cache, f"File too large; check the network and the space in {cache}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_failed_download_reports_the_reason(tmp_path, serve, cache):
    assert_fails(f"{serve(tmp_path)}/missing", cache, "404.*; check the network.* local copy")
    assert_fails("http://127.0.0.1:1/a", cache, "Connection refused")
    assert_fails("http://[", cache, r"rejected http://\[: Invalid IPv6 URL")
    assert_fails("jar://a", cache, "rejected jar://a: .*jar")


def test_errors_show_no_secrets(tmp_path, serve, cache):
    host = serve(tmp_path).removeprefix("http://")
    for url in (f"http://me:pass@{host}/a?signed=%2fkey", "http://127.0.0.1:1/a?signed=%2fkey"):
        shown = assert_fails(url, cache, r"cannot download http://.*/a\?…: ")
        assert not any(secret in shown.lower() for secret in ("pass@", "signed", "key"))
