"""Images in Google's storage, on a server of its own process with its API."""

import socket
import subprocess
import sys
import time
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from components.image_example_gen.errors import ImageDataError, StorageError
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders import storage
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.spans import ImageSource, Span
from components.image_example_gen.windows import list_spans
from tests.unit.components.image_example_gen.test_tar import make_tar

BUCKET = "photos"
FOLDER = f"gs://{BUCKET}/images"
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def server():
    """The server's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    command = [sys.executable, "-m", "gcp_storage_emulator", *arguments]
    with subprocess.Popen(
        [*command, f"--default-bucket={BUCKET}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None and time.monotonic() < end
                    time.sleep(0.1)
            url = f"http://127.0.0.1:{port}"
            put(url, "images/cats/a.png", b"first")
            put(url, "images/cats/š & +%20 #.JPG", b"second")
            put(url, "images/labels.csv", b"x")
            put(url, "images/.git/x.png", b"x")
            put(url, "images-too/z.png", b"z")
            put(url, "archives/a.tar", make_tar(("cats/1.png", b"one"), ("dogs/2.png", b"two")))
            put(url, "nights/span-1/a.png", b"x")
            put(url, "nights/span-2/cats/b.png", b"x")
            put(url, "nights/other/d.png", b"x")
            yield url
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def google(server, monkeypatch):
    """A client of the server, without credentials as for public buckets."""
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", server)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setattr(storage, "ANSWER_SECONDS", 2)
    storage._google.cache_clear()
    yield
    storage._google.cache_clear()


def put(url, key, content):
    where = f"{url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(key, safe='')}"
    urlopen(Request(where, content, {"Content-Type": "image/png"})).close()


def test_a_bucket_is_listed_and_read_like_a_local_folder():
    listing = list_folder(f"{FOLDER}/")
    assert listing.others == {".csv": 1}
    with ImageReader(FOLDER) as reader:
        contents = {file.path: reader.open(file).read() for file in listing.images}
        with pytest.raises(FileNotFoundError):
            reader.open(ImageFile("cats/gone.png", 5))
    assert contents == {"cats/a.png": b"first", "cats/š & +%20 #.JPG": b"second"}
    assert [*list_folder(FOLDER).images] == [*listing.images]


def test_an_archive_is_read_at_its_offsets():
    files = list_folder(f"gs://{BUCKET}/archives").images
    with ImageReader(f"gs://{BUCKET}/archives") as reader:
        contents = [(file.class_label, reader.open(file).read()) for file in files]
    assert contents == [("cats", b"one"), ("dogs", b"two")]


def test_spans_are_the_folders_of_a_bucket():
    folder = f"gs://{BUCKET}/nights"
    assert list_spans(folder, "span-{SPAN}") == [Span(1, "span-1"), Span(2, "span-2")]
    source = ImageSource(folder, (Span(2, "span-2"),))
    assert [file.path for file in source.list_files()] == ["span-2/cats/b.png"]


def test_what_is_missing_or_does_not_answer_is_one_line(monkeypatch):
    with pytest.raises(ImageDataError, match="no such folder"):
        list_folder(f"gs://{BUCKET}/none")
    with pytest.raises(ImageDataError, match="not a folder"):
        list_folder(f"{FOLDER}/cats/a.png")
    with pytest.raises(StorageError, match=r"^gs://nowhere/images: no such bucket$"):
        list_folder("gs://nowhere/images")
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://127.0.0.1:1")
    storage._google.cache_clear()
    with pytest.raises(StorageError, match=r"refuses or does not answer \(.*connect") as raised:
        list_folder(FOLDER)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(raised.value)
    assert "\n" not in str(raised.value)
