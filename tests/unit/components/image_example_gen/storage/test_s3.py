import subprocess
import sys

import pytest

from components.image_example_gen.errors import ImageDataError, StorageError, find_storage_error
from components.image_example_gen.files import (
    ImageFile,
    check_has_images,
    list_folder,
    list_images,
)
from components.image_example_gen.reading import ImageReader
from components.image_example_gen.spans import (
    WHOLE_FOLDER,
    ImageSource,
    Span,
    list_spans,
    may_have_sources,
)
from components.image_example_gen.storage import s3
from tests.s3_server import BUCKET, CUT, DENIED, REFUSED, THROTTLED

FOLDER = f"s3://{BUCKET}/images"


def open_image(folder, path):
    return ImageReader(folder).open(ImageFile(path))


def put(server, key, content=b"x"):
    server[1].put_object(Bucket=BUCKET, Key=key, Body=content)


def one_line(raised):
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_bucket_is_listed_like_a_local_folder_with_one_request_per_thousand(faulty):
    listing = list_folder(f"{FOLDER}/")
    assert [(file.path, file.size) for file in listing.images] == [
        ("cats/a.png", 10),
        ("cats/b.JPG", 10),
    ]
    assert listing.others == {".csv": 1}
    assert len(faulty.requests) == 2


def test_an_image_is_read_with_one_request(faulty):
    with open_image(FOLDER, "cats/a.png") as stream:
        assert stream.read() == b"cats/a.png"
    assert faulty.requests == ["GET /photos/images/cats/a.png"]
    with open_image("", f"{FOLDER}/cats/b.JPG") as stream:
        assert stream.read() == b"cats/b.JPG"
    with open_image(f"s3://{BUCKET}/large", "empty.png") as stream:
        assert stream.read() == b""


def test_a_key_with_dots_and_slashes_stays_in_its_bucket(faulty):
    path = "odd//../š & +.png"
    assert path in [path for path, _ in s3.S3().walk(FOLDER)]
    with open_image(FOLDER, path) as stream:
        assert stream.read() == b"odd"


def test_spans_are_the_folders_of_a_bucket(faulty, server):
    for key in ("span-1/a.png", "span-2/cats/b.png", "span-2.partial/c.png", "other/d.png"):
        put(server, f"nights/{key}")
    folder = f"s3://{BUCKET}/nights"
    assert list_spans(folder, "span-{SPAN}") == [Span(1, "span-1"), Span(2, "span-2")]
    source = ImageSource(folder, (Span(2, "span-2"),))
    assert [file.path for file in source.list_files()] == ["span-2/cats/b.png"]


def test_sources_of_a_bucket_are_found_with_and_without_spans(faulty, server):
    put(server, "sources/span-2/a.png")
    sources = f"s3://{BUCKET}/sources"
    assert may_have_sources(sources, WHOLE_FOLDER)
    assert may_have_sources(sources, Span(2, "span-2"))
    assert not may_have_sources(sources, Span(1, "span-1"))
    assert may_have_sources(f"s3://{BUCKET}/none", Span(1, "span-1"))  # an error elsewhere


def test_an_object_that_is_replaced_within_a_second_has_another_time(faulty, server):
    put(server, "replaced/x.png", b"a")
    before = list_images(f"s3://{BUCKET}/replaced")
    put(server, "replaced/x.png", b"b")
    after = list_images(f"s3://{BUCKET}/replaced")
    assert before != after
    assert list_images(f"s3://{BUCKET}/replaced") == after


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://nowhere/images", "s3://nowhere/images: no such bucket"),
        (f"s3://{BUCKET}/none", "no such folder"),
        (f"s3://{BUCKET}/images/cats/a.png", "not a folder"),
        ("s3:///images", "no bucket; expected s3://bucket/folder"),
    ],
)
def test_a_folder_that_is_missing_is_a_one_line_error_of_the_data(faulty, uri, message):
    with pytest.raises(ImageDataError) as raised:
        check_has_images(uri)
    assert message in one_line(raised)


def test_wrong_credentials_are_a_one_line_error_that_says_what_to_set(faulty):
    faulty.fail(REFUSED)
    with pytest.raises(StorageError) as raised:
        list_images(FOLDER)
    assert "the credentials are refused (InvalidAccessKeyId" in one_line(raised)
    assert "set AWS_ACCESS_KEY_ID" in str(raised.value)


def test_missing_credentials_are_a_one_line_error_that_says_what_to_set(faulty, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match=r"no credentials: .*set AWS_ACCESS_KEY_ID") as raised:
        list_images(FOLDER)
    one_line(raised)


def test_a_bucket_that_may_not_be_listed_is_an_error_but_an_object_is_one_file(faulty):
    faulty.fail(DENIED, "list-type")
    with pytest.raises(StorageError, match=r"Permission denied.*s3:ListBucket"):
        list_images(FOLDER)
    faulty.fail(DENIED, "a.png")
    with pytest.raises(PermissionError):
        open_image(FOLDER, "cats/a.png")
    with pytest.raises(FileNotFoundError):
        open_image(FOLDER, "cats/gone.png")


def test_a_throttled_request_is_repeated_and_too_many_of_them_are_an_error(faulty):
    faulty.fail(THROTTLED, "a.png", times=1)
    with open_image(FOLDER, "cats/a.png") as stream:
        assert stream.read() == b"cats/a.png"
    faulty.fail(THROTTLED, "a.png")
    with pytest.raises(StorageError, match="SlowDown") as raised:
        open_image(FOLDER, "cats/a.png")
    one_line(raised)


def test_an_object_whose_connection_drops_is_read_again_and_then_an_error(faulty):
    faulty.fail(CUT, "x.png", times=2)
    with open_image(f"s3://{BUCKET}/large", "x.png") as stream:
        assert stream.read() == b"x" * 300_000
    faulty.fail(CUT, "x.png")
    with pytest.raises(StorageError, match="broke off 5 times") as raised:
        open_image(f"s3://{BUCKET}/large", "x.png")
    one_line(raised)


def test_a_server_that_does_not_answer_is_a_one_line_error(faulty, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    s3._client_of.cache_clear()
    with pytest.raises(StorageError, match="Could not connect") as raised:
        list_images(FOLDER)
    one_line(raised)


def test_a_bucket_is_listed_without_tensorflow_and_without_tfx(faulty):
    code = (
        "import sys; from components.image_example_gen.files import list_images\n"
        "print(len(list_images(sys.argv[1])), {'tfx', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, FOLDER]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "2 set()\n"


def test_an_error_of_the_storage_is_found_in_what_beam_makes_of_it():
    error = StorageError("s3://b/x: gone")
    wrapped = RuntimeError("in a step")
    wrapped.__cause__ = error
    assert find_storage_error(wrapped) is error
    text = RuntimeError(f"Traceback\n{StorageError.__module__}.StorageError: s3://b/x: gone\n")
    assert str(find_storage_error(text)) == "s3://b/x: gone"
    assert find_storage_error(RuntimeError("other")) is None
