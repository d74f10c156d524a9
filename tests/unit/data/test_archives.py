import gzip
import hashlib
import io
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from data import archives
from data.archives import download, obtain, read_files
from data.errors import DataError

MIB = 1 << 20


def tar_member(name, kind=tarfile.REGTYPE, target="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def zip_member(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def assert_one_line(error):
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.tar", "a.tgz"])
def test_a_tar_yields_its_files_in_order_without_folders(tmp_path, make_tar, name):
    members = [(tar_member("sub", tarfile.DIRTYPE), b""), ("sub/b.jpg", b"two"), ("a.jpg", b"1")]
    path = make_tar(tmp_path / name, members)
    assert list(read_files(path, MIB)) == [("sub/b.jpg", b"two"), ("a.jpg", b"1")]


def test_a_zip_yields_its_files_in_order_without_folders(tmp_path, make_zip):
    path = make_zip(tmp_path / "a.zip", [("sub/", b""), ("sub/b.jpg", b"two"), ("a.jpg", b"1")])
    assert list(read_files(path, MIB)) == [("sub/b.jpg", b"two"), ("a.jpg", b"1")]


LEAVING = ["../evil", "good/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "c:evil", "\\evil"]


@pytest.mark.parametrize("name", LEAVING)
def test_a_tar_member_outside_the_folder_is_rejected(tmp_path, make_tar, name):
    path = make_tar(tmp_path / "a.tar", [("good.jpg", b"fine"), (name, b"evil")])
    with pytest.raises(DataError, match="is outside the folder") as error:
        next(read_files(path, MIB))  # not even the valid one before it is yielded
    assert_one_line(error)


@pytest.mark.parametrize("name", LEAVING)
def test_a_zip_member_outside_the_folder_is_rejected(tmp_path, make_zip, name):
    path = make_zip(tmp_path / "a.zip", [("good.jpg", b"fine"), (name, b"evil")])
    with pytest.raises(DataError, match="is outside the folder") as error:
        next(read_files(path, MIB))
    assert_one_line(error)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=["symlink", "hard link", "character device", "block device", "fifo"],
)
def test_a_link_or_device_in_a_tar_is_rejected(tmp_path, make_tar, kind):
    members = [("good.jpg", b"fine"), (tar_member("x.jpg", kind, "good.jpg"), b"")]
    path = make_tar(tmp_path / "a.tgz", members)
    with pytest.raises(DataError, match=r"'x\.jpg' is neither a plain file nor a folder"):
        next(read_files(path, MIB))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_rejected(tmp_path, make_zip, kind):
    members = [("good.jpg", b"fine"), (zip_member("x.jpg", kind | 0o644), b"/etc/passwd")]
    path = make_zip(tmp_path / "a.zip", members)
    with pytest.raises(DataError, match=r"'x\.jpg' is neither a plain file nor a folder"):
        next(read_files(path, MIB))


@pytest.mark.parametrize("mode", [0, stat.S_IFREG | 0o644])
def test_a_plain_zip_member_is_read_with_and_without_a_unix_mode(tmp_path, make_zip, mode):
    path = make_zip(tmp_path / "a.zip", [(zip_member("x.jpg", mode), b"x")])
    assert list(read_files(path, MIB)) == [("x.jpg", b"x")]


def test_a_tar_that_declares_more_than_the_limit_is_rejected_unread(tmp_path):
    # Only the header of a file of a terabyte: reading its content would fail differently.
    path = tmp_path / "bomb.tar"
    path.write_bytes(tar_member("x.jpg", size=1 << 40).tobuf())
    with pytest.raises(DataError, match="unpacks to more than the 1048576 bytes allowed"):
        next(read_files(path, MIB))


def test_many_small_members_count_together_against_the_limit(tmp_path, make_tar, make_zip):
    members = [(f"{index}.jpg", bytes(1000)) for index in range(10)]
    for path in (make_tar(tmp_path / "a.tgz", members), make_zip(tmp_path / "a.zip", members)):
        assert len(list(read_files(path, 10_000))) == 10
        with pytest.raises(DataError, match="unpacks to more than the 9999 bytes"):
            next(read_files(path, 9_999))


def test_a_zip_bomb_is_rejected(tmp_path, make_zip):
    path = make_zip(tmp_path / "bomb.zip", [("x.jpg", bytes(4 * MIB))])
    assert path.stat().st_size < MIB / 100
    with pytest.raises(DataError, match="unpacks to more"):
        next(read_files(path, MIB))


def test_a_zip_that_declares_a_wrong_size_is_rejected(tmp_path, make_zip):
    path = make_zip(tmp_path / "liar.zip", [("x.jpg", bytes(4 * MIB))])
    true, declared = (4 * MIB).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, declared))
    with pytest.raises(DataError, match="damaged"):
        list(read_files(path, MIB))


def header(name, kind, size):
    return tarfile.TarInfo.tobuf(tar_member(name, kind, size=size), tarfile.GNU_FORMAT)


def padded(content):
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax_record(key, length):
    """A record of pax headers, whose length counts itself."""
    total = length + len(key) + 12
    return f"{total:09d} {key}=".encode() + b"x" * length + b"\n"


def sparse_map(entries):
    """A file with a map of its holes, in the newest of GNU's formats."""
    records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.realsize=1\n"
    content = padded(str(entries).encode() + b"\n" + b"0\n" * (2 * entries))
    return (
        header("p", tarfile.XHDTYPE, len(records))
        + padded(records)
        + header("x.jpg", tarfile.REGTYPE, len(content))
        + content
    )


def chain(kind, content, count):
    return (header("h", kind, len(content)) + padded(content)) * count


FILE = header("x.jpg", tarfile.REGTYPE, 0)
LARGE = 4 * MIB
HEADERS = {
    "pax": lambda: header("p", tarfile.XHDTYPE, LARGE) + padded(pax_record("comment", LARGE)),
    "global pax": lambda: chain(tarfile.XGLTYPE, pax_record("comment", LARGE), 1) + FILE,
    "many global pax": lambda: chain(tarfile.XGLTYPE, pax_record("comment", 900), 100) + FILE,
    "GNU name": lambda: chain(tarfile.GNUTYPE_LONGNAME, b"x" * LARGE, 1) + FILE,
    "GNU link": lambda: chain(tarfile.GNUTYPE_LONGLINK, b"x" * LARGE, 1) + FILE,
    "many GNU names": lambda: chain(tarfile.GNUTYPE_LONGNAME, b"x" * 900, 100) + FILE,
    "sparse map": lambda: sparse_map(LARGE // 4),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("name", ["a.tar", "a.tgz"])
def test_a_tar_with_long_headers_is_rejected_before_they_are_in_memory(tmp_path, name, kind):
    path = tmp_path / name
    content = HEADERS[kind]() + bytes(2 * tarfile.BLOCKSIZE)
    path.write_bytes(gzip.compress(content) if path.suffix == ".tgz" else content)
    del content
    tracemalloc.start()
    with pytest.raises(DataError, match="headers are longer") as error:
        next(read_files(path, 64 * MIB))
    assert tracemalloc.get_traced_memory()[1] < MIB
    tracemalloc.stop()
    assert_one_line(error)


def test_a_long_name_and_usual_pax_headers_are_accepted(tmp_path):
    path, name = tmp_path / "a.tar", "folder/" * 40 + "čtyři.jpg"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(path, "w", format=form, pax_headers={"comment": "a commit"}) as archive:
            info = tar_member(name, size=3)
            archive.addfile(info, io.BytesIO(b"one"))
        assert list(read_files(path, MIB)) == [(name, b"one")]


def test_a_sparse_tar_member_is_rejected(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(sparse_map(1) + bytes(2 * tarfile.BLOCKSIZE))
    with pytest.raises(DataError, match="neither a plain file nor a folder"):
        next(read_files(path, MIB))


def test_the_headers_of_a_tar_are_not_kept(tmp_path):
    path = tmp_path / "a.tar"
    common = {f"key{i}": "x" for i in range(1000)}
    with tarfile.open(path, "w", pax_headers=common) as archive:
        for index in range(300):
            archive.addfile(tar_member(f"{index}.jpg"))
    tracemalloc.start()
    assert len(list(read_files(path, MIB))) == 300
    assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    tracemalloc.stop()


def test_an_archive_of_too_many_names_is_rejected(tmp_path, make_tar, make_zip, monkeypatch):
    members = [(f"{index:060}.jpg", b"") for index in range(100)]
    for path in (make_tar(tmp_path / "a.tgz", members), make_zip(tmp_path / "a.zip", members)):
        monkeypatch.setattr(archives, "DIRECTORY_BYTES", 20_000)
        assert len(list(read_files(path, MIB))) == 100
        monkeypatch.setattr(archives, "DIRECTORY_BYTES", 10_000)
        with pytest.raises(DataError, match=r"headers are longer|more than the 10000 bytes of na"):
            next(read_files(path, MIB))


def test_a_huge_zip_directory_is_rejected_before_it_is_in_memory(tmp_path, make_zip):
    path = make_zip(tmp_path / "a.zip", [("a.jpg", b"1")])
    whole = path.read_bytes()
    directory, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    size = 33 * MIB
    with path.open("wb") as file:
        file.write(whole[:directory])
        file.truncate(directory + size)
        file.seek(directory + size)
        file.write(whole[end : end + 12] + size.to_bytes(4, "little") + whole[end + 16 :])
    tracemalloc.start()
    with pytest.raises(DataError, match="headers are longer"):
        next(read_files(path, MIB))
    assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    tracemalloc.stop()


def test_a_zip_member_is_unpacked_only_to_its_declared_size(tmp_path, make_zip):
    path = make_zip(tmp_path / "liar.zip", [("x.jpg", bytes(64 * MIB))])
    true, declared = (64 * MIB).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, declared))
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        list(read_files(path, MIB))
    assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_of_an_unbounded_compression_is_rejected(tmp_path, method):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.jpg", bytes(MIB))
    with pytest.raises(DataError, match=r"'x\.jpg' is not compressed by deflate"):
        list(read_files(path, MIB))


@pytest.mark.parametrize("kept", [0, 1, 300, 0.5, 0.9])
def test_a_truncated_archive_is_rejected(tmp_path, make_tar, make_zip, kept):
    # Incompressible bytes, so that the truncation is inside a file's content.
    content = b"".join(hashlib.sha256(bytes([index])).digest() for index in range(100))
    members = [("a.jpg", content), ("b.jpg", content)]
    for path in (
        make_tar(tmp_path / "a.tar", members),
        make_tar(tmp_path / "a.tgz", members),
        make_zip(tmp_path / "a.zip", members),
    ):
        whole = path.read_bytes()
        end = whole.rindex(content) + len(content) if path.suffix == ".tar" else len(whole)
        path.write_bytes(whole[: int(kept * end) if isinstance(kept, float) else kept])
        with pytest.raises(DataError, match=r"damaged or not a tar or zip archive") as error:
            list(read_files(path, MIB))
        assert_one_line(error)


def test_a_damaged_zip_member_is_rejected(tmp_path, make_zip):
    path = make_zip(tmp_path / "a.zip", [("a.jpg", bytes(range(256)))])
    whole = bytearray(path.read_bytes())
    whole[60] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(DataError, match="damaged"):
        list(read_files(path, MIB))


def test_a_file_that_is_not_an_archive_is_rejected(tmp_path):
    path = tmp_path / "page.tgz"
    path.write_bytes(gzip.compress(b"<html>Sign in</html>"))
    with pytest.raises(DataError, match="not a tar or zip archive"):
        list(read_files(path, MIB))


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_with_the_right_checksum_is_accepted_and_with_a_wrong_one_rejected(
    tmp_path, algorithm
):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    right = f"{algorithm}:{hashlib.new(algorithm, b'content').hexdigest()}"
    with obtain(str(path), right, MIB) as given:
        assert given.read_bytes() == b"content"
    path.write_bytes(b"content!")
    with (
        pytest.raises(DataError, match=f"damaged or a different file: its {algorithm}") as error,
        obtain(str(path), right, MIB),
    ):
        pass
    assert_one_line(error)
    assert path.exists()


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match="no file"), obtain(str(tmp_path / "x"), "md5:0", MIB):
        pass


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_url_is_downloaded_verified_and_removed_afterwards(tmp_path, serve, checksum_of, scheme):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(3 * MIB))
    base = serve(tmp_path) if scheme == "http" else tmp_path.as_uri()
    with obtain(f"{base}/a.bin", checksum_of(path), 3 * MIB) as given:
        assert given.read_bytes() == path.read_bytes()
    assert not given.exists()
    assert path.exists()


def test_a_download_with_a_wrong_checksum_is_rejected(tmp_path, serve):
    (tmp_path / "a.bin").write_bytes(b"content")
    url = f"{serve(tmp_path)}/a.bin"
    with pytest.raises(DataError, match=f"{url} is damaged"), obtain(url, "md5:00", MIB):
        pass


def assert_download_fails(url, folder, message, max_bytes=MIB):
    with pytest.raises(DataError, match=message) as error:
        download(url, folder / "got", max_bytes)
    assert_one_line(error)
    assert list(folder.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(tmp_path, serve_with):
    url = serve_with(lambda path, host: ({"Content-Length": "1000"}, bytes(400)))
    assert_download_fails(url, tmp_path, "was interrupted after 400 of 1000 bytes; try again")


def test_an_interrupted_chunked_download_leaves_nothing(tmp_path, serve_with):
    body = b"400\r\n" + bytes(100)  # declares a chunk of 0x400 bytes
    url = serve_with(lambda path, host: ({"Transfer-Encoding": "chunked"}, body))
    assert_download_fails(url, tmp_path, "cannot download")


def test_a_download_that_declares_too_much_is_rejected(tmp_path, serve_with):
    url = serve_with(lambda path, host: ({"Content-Length": str(MIB + 1)}, bytes(10)))
    assert_download_fails(url, tmp_path, "longer than the 1048576 bytes")


def test_a_download_of_undeclared_length_stops_at_the_limit(tmp_path, serve_with):
    url = serve_with(lambda path, host: ({"Connection": "close"}, bytes(MIB + 1)))
    assert_download_fails(url, tmp_path, "longer than the 1048576 bytes")


def test_a_failed_download_reports_the_reason(tmp_path, serve):
    (tmp_path / "got").mkdir()
    base = serve(tmp_path)
    assert_download_fails(f"{base}/missing", tmp_path / "got", "404")
    assert_download_fails("http://127.0.0.1:1/a", tmp_path / "got", "cannot download")
    assert_download_fails("http://[", tmp_path / "got", "cannot download")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "data://text/plain,a", "jar://a"])
def test_only_http_and_file_urls_are_downloaded(tmp_path, url):
    assert_download_fails(url, tmp_path, "only http, https, file URLs are allowed")


def test_the_progress_bar_shows_a_url_as_text_not_as_markup(tmp_path, serve, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich draw as on a terminal
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "[").mkdir()
    (tmp_path / "[" / "red]").write_bytes(b"content")
    download(f"{serve(tmp_path)}/[/red]?secret", tmp_path / "got", MIB)
    assert (tmp_path / "got").read_bytes() == b"content"
    shown = capsys.readouterr()
    assert "[/red]" in shown.err and "secret" not in shown.err
    assert shown.out == ""
