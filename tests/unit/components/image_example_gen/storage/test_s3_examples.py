import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.image_example_gen.errors import ImageDataError, StorageError
from tests.s3_server import BUCKET, CUT, DENIED, REFUSED, THROTTLED

# The tests below write into folders of their own: beside the artifacts of other tests, what these
# have read of the same objects would be used again, and no request would fail.
FOLDER, ARCHIVES = f"s3://{BUCKET}/forty", f"s3://{BUCKET}/archives"


@pytest.fixture
def forty_in_s3(forty, server, faulty):
    """The faulty server, which has the forty images."""
    folder, _ = forty
    for path in folder.rglob("*.png"):
        key = f"forty/{path.relative_to(folder).as_posix()}"
        server[1].put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    return faulty


def contents(artifact):
    """The files of an artifact but its index, which depends on the times of the images."""
    root = Path(artifact.uri)
    files = [path for path in root.rglob("*.*") if path.is_file() and path.parent.name != ".index"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_images_in_s3_become_the_examples_of_the_same_images_in_a_folder(
    forty, forty_in_s3, run_executor, tmp_path
):
    forty_in_s3.fail(THROTTLED, "cats/03.png", times=1)
    forty_in_s3.fail(CUT, "dogs/02.png", times=1)
    artifact = run_executor(FOLDER, resolution=12, uri=tmp_path / "examples")
    assert contents(artifact) == contents(forty[1])


def test_an_image_that_may_not_be_read_is_rejected_with_its_reason(
    forty_in_s3, run_executor, tmp_path
):
    forty_in_s3.fail(DENIED, "cats/03.png")
    artifact = run_executor(FOLDER, resolution=12, uri=tmp_path / "examples")
    report = json.loads(contents(artifact)["rejected.json"])
    assert report["rejected_files"] == [["cats/03.png", "cannot be read (Permission denied)"]]


def test_an_image_that_could_not_be_read_is_read_by_the_next_run_and_no_other(
    forty, forty_in_s3, run_executor, tmp_path
):
    for number in "12":
        (tmp_path / number).mkdir()
    forty_in_s3.fail(DENIED, "cats/03.png")
    run_executor(FOLDER, resolution=12, uri=tmp_path / "1")
    forty_in_s3.faults.clear()
    forty_in_s3.requests.clear()
    assert contents(run_executor(FOLDER, resolution=12, uri=tmp_path / "2")) == contents(forty[1])
    assert [each for each in forty_in_s3.requests if ".png" in each] == [
        f"GET /{BUCKET}/forty/cats/03.png"
    ]


@pytest.mark.parametrize(("fault", "workers"), [(CUT, 1), (THROTTLED, 2), (REFUSED, 1)])
def test_no_image_is_rejected_because_the_storage_fails(
    forty_in_s3, run_executor, fault, workers, tmp_path
):
    forty_in_s3.fail(fault, "dogs/02.png")
    uri = tmp_path / "examples"
    with pytest.raises(StorageError) as raised:
        run_executor(FOLDER, f"--direct_num_workers={workers}", resolution=12, uri=uri)
    assert not isinstance(raised.value, ImageDataError)
    assert str(raised.value).startswith(f"{FOLDER}/dogs/02.png: ")
    assert "\n" not in str(raised.value)


def test_images_held_out_in_s3_are_read(forty, forty_in_s3, run_executor):
    artifact = run_executor(forty[0], resolution=12, holdout=f"{FOLDER}/cats")
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
    server[1].put_object(Bucket=BUCKET, Key="archives/a.tar", Body=stream.getvalue())
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in files[25:]]
    stream = io.BytesIO()
    labels = [path.parent.name for path in files[25:]]
    pq.write_table(pa.table({"image": images, "label": labels}), stream, row_group_size=4)
    server[1].put_object(Bucket=BUCKET, Key="archives/b.parquet", Body=stream.getvalue())
    return faulty


def test_archives_in_s3_are_read_in_blocks_and_not_image_by_image(
    forty, archives_in_s3, run_executor, tmp_path
):
    archives_in_s3.fail(CUT, "a.tar", times=1)
    archives_in_s3.fail(THROTTLED, "b.parquet", times=1)
    artifact = run_executor(ARCHIVES, resolution=12, uri=tmp_path / "examples")
    report = json.loads(contents(artifact)["rejected.json"])
    assert report == json.loads(contents(forty[1])["rejected.json"])
    assert len(archives_in_s3.requests) < 15


@pytest.mark.parametrize(("fault", "archive"), [(CUT, "a.tar"), (REFUSED, "b.parquet")])
def test_no_archive_is_rejected_because_the_storage_fails(
    archives_in_s3, run_executor, fault, archive, tmp_path
):
    archives_in_s3.fail(fault, f"GET /{BUCKET}/archives/{archive}")
    with pytest.raises(StorageError, match=f"{ARCHIVES}/{archive}: ") as raised:
        run_executor(ARCHIVES, resolution=12, uri=tmp_path / "examples")
    assert "\n" not in str(raised.value)
