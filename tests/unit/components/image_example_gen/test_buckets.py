"""Images in S3, on a server that fails as networks and servers do."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.image_example_gen.errors import ImageDataError, StorageError, find_storage_error
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.listing import check_has_images, list_folder
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.spans import WHOLE_FOLDER, ImageSource, Span, may_have_sources
from components.image_example_gen.windows import list_spans
from tests.s3_server import BUCKET, CUT, DENIED, REFUSED, THROTTLED, environment, s3_server

FOLDER = f"s3://{BUCKET}/images"
# The executors below write into folders of their own: beside the artifacts of other tests, what
# these have read of the same objects would be used again, and no request would fail.
FORTY, ARCHIVES = f"s3://{BUCKET}/forty", f"s3://{BUCKET}/archives"


@pytest.fixture(scope="module")
def server():
    with s3_server() as (faulty, client):
        for key in ("cats/a.png", "cats/b.JPG", "labels.csv", ".git/x.png", "cats/.y.png"):
            client.put_object(Bucket=BUCKET, Key=f"images/{key}", Body=key.encode())
        client.put_object(Bucket=BUCKET, Key="images/dogs/", Body=b"")
        client.put_object(Bucket=BUCKET, Key="images-too/z.png", Body=b"z")
        client.put_object(Bucket=BUCKET, Key="large/x.png", Body=b"x" * 300_000)
        client.put_object(Bucket=BUCKET, Key="large/empty.png", Body=b"")
        yield faulty, client


@pytest.fixture
def faulty(server, monkeypatch):
    """The server without faults, as pyarrow finds it in the environment."""
    found, _ = server
    for name, value in environment(found.url).items():
        monkeypatch.setenv(name, value)
    found.faults.clear()
    found.requests.clear()
    return found


def read_image(folder, path, size):
    with ImageReader(folder).open(ImageFile(path, size)) as stream:
        return stream.read()


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
    assert len(faulty.requests) == 1


def test_an_image_is_read_by_its_folder_and_by_its_whole_uri(faulty):
    assert read_image(FOLDER, "cats/a.png", 10) == b"cats/a.png"
    assert faulty.requests == ["HEAD /photos/images/cats/a.png", "GET /photos/images/cats/a.png"]
    assert read_image("", f"{FOLDER}/cats/b.JPG", 10) == b"cats/b.JPG"
    assert read_image(f"s3://{BUCKET}/large", "empty.png", 0) == b""


def test_an_image_that_is_gone_replaced_or_too_large_has_a_problem_of_its_own(faulty, server):
    put(server, "odd/a.png", b"longer than it was")
    put(server, "odd//b.png")
    assert [file.problem for file in list_folder(f"s3://{BUCKET}/odd").images] == [
        "a folder in its path has no name: rename the object",
        "",
    ]
    for name, size, message in [
        ("gone.png", 1, "No such file"),
        ("a.png", 3, "changed since it was listed"),
        ("a.png", 99, "changed since it was listed"),
        ("a.png", 1 << 30, "more than 256 MiB"),
    ]:
        with pytest.raises(OSError, match=message):
            read_image(f"s3://{BUCKET}/odd", name, size)


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


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (f"s3://{BUCKET}/none", "no such folder"),
        (f"s3://{BUCKET}/images/cats/a.png", "not a folder"),
        ("s3:///images", "expected a local folder, s3://bucket/folder or gs://bucket/folder"),
        ("hdfs://host/images", "expected a local folder, s3://bucket/folder or"),
    ],
)
def test_a_folder_that_is_missing_is_a_one_line_error_of_the_data(faulty, uri, message):
    with pytest.raises(ImageDataError) as raised:
        check_has_images(uri)
    assert message in one_line(raised)


@pytest.mark.parametrize("fault", [REFUSED, DENIED, THROTTLED, CUT])
def test_a_storage_that_refuses_or_fails_is_a_one_line_error_that_says_what_to_check(faulty, fault):
    faulty.fail(fault)
    with pytest.raises(StorageError, match=r"check .* AWS_ACCESS_KEY_ID") as raised:
        list_folder(FOLDER)
    assert one_line(raised).startswith(f"{FOLDER}: the storage refuses or does not answer (")
    with pytest.raises(StorageError, match=f"^{FOLDER}/cats/a.png: the storage") as raised:
        read_image(FOLDER, "cats/a.png", 10)
    one_line(raised)


def test_a_missing_bucket_and_a_server_that_does_not_answer_are_one_line(faulty, monkeypatch):
    with pytest.raises(StorageError, match=r"^s3://nowhere/images: no such bucket$"):
        check_has_images("s3://nowhere/images")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match="connect to server") as raised:
        list_folder(FOLDER)
    one_line(raised)


@pytest.mark.parametrize(("fault", "times"), [(THROTTLED, 2), (CUT, 2)])
def test_a_request_that_fails_is_repeated(faulty, fault, times):
    faulty.fail(fault, "x.png", times=times)
    assert read_image(f"s3://{BUCKET}/large", "x.png", 300_000) == b"x" * 300_000


def test_a_bucket_is_listed_without_tensorflow_and_without_tfx(faulty):
    code = (
        "import sys; from components.image_example_gen.folders.listing import list_folder\n"
        "print(len(list_folder(sys.argv[1]).images), {'tfx', 'tensorflow'} & set(sys.modules))"
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


@pytest.fixture
def forty_in_s3(forty, server, faulty):
    """The faulty server, which has the forty images."""
    folder, _ = forty
    for path in folder.rglob("*.png"):
        put(server, f"forty/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return faulty


def contents(artifact):
    """The files of an artifact but its index, which depends on the times of the images."""
    root = Path(artifact.uri)
    files = [path for path in root.rglob("*.*") if path.is_file() and path.name != ".index.parquet"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_images_in_s3_become_the_examples_of_the_same_images_in_a_folder(
    forty, forty_in_s3, run_executor, tmp_path
):
    forty_in_s3.fail(THROTTLED, "cats/03.png", times=1)
    forty_in_s3.fail(CUT, "GET /photos/forty/dogs/02.png", times=1)
    artifact = run_executor(FORTY, resolution=12, uri=tmp_path / "examples")
    assert contents(artifact) == contents(forty[1])


@pytest.mark.parametrize(("fault", "workers"), [(CUT, 1), (THROTTLED, 2), (REFUSED, 1)])
def test_no_image_is_rejected_because_the_storage_fails(
    forty_in_s3, run_executor, fault, workers, tmp_path
):
    forty_in_s3.fail(fault, "dogs/02.png")
    uri = tmp_path / "examples"
    with pytest.raises(StorageError) as raised:
        run_executor(FORTY, f"--direct_num_workers={workers}", resolution=12, uri=uri)
    assert not isinstance(raised.value, ImageDataError)
    assert one_line(raised).startswith(f"{FORTY}/dogs/02.png: ")


def test_images_held_out_in_s3_are_read(forty, forty_in_s3, run_executor):
    artifact = run_executor(forty[0], resolution=12, holdout=f"{FORTY}/cats")
    report = json.loads(contents(artifact)["rejected.json"])
    assert report["splits"]["holdout"] == 20


@pytest.fixture
def archives_in_s3(forty, server, faulty):
    """The faulty server, which has the forty images in a tar and a Parquet file."""
    files = sorted(forty[0].rglob("*.png"))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in files[:25]:
            tar.add(path, path.relative_to(forty[0]).as_posix())
    put(server, "archives/a.tar", stream.getvalue())
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in files[25:]]
    stream = io.BytesIO()
    labels = [path.parent.name for path in files[25:]]
    pq.write_table(pa.table({"image": images, "label": labels}), stream, row_group_size=4)
    put(server, "archives/b.parquet", stream.getvalue())
    return faulty


def test_archives_in_s3_are_read_in_blocks_and_not_image_by_image(
    forty, archives_in_s3, run_executor, tmp_path
):
    archives_in_s3.fail(CUT, "GET /photos/archives/a.tar", times=1)
    archives_in_s3.fail(THROTTLED, "b.parquet", times=1)
    artifact = run_executor(ARCHIVES, resolution=12, uri=tmp_path / "examples")
    report = json.loads(contents(artifact)["rejected.json"])
    assert report == json.loads(contents(forty[1])["rejected.json"])
    assert len([each for each in archives_in_s3.requests if each.startswith("GET")]) < 15


@pytest.mark.parametrize(("fault", "archive"), [(CUT, "a.tar"), (REFUSED, "b.parquet")])
def test_no_archive_is_rejected_because_the_storage_fails(
    archives_in_s3, run_executor, fault, archive, tmp_path
):
    archives_in_s3.fail(fault, f"GET /{BUCKET}/archives/{archive}")
    with pytest.raises(StorageError, match=f"{ARCHIVES}/{archive}: ") as raised:
        run_executor(ARCHIVES, resolution=12, uri=tmp_path / "examples")
    one_line(raised)
