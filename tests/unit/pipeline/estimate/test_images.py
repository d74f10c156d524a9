import os
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tfx.dsl.io import fileio

from components.image_example_gen.storage import s3
from pipeline.config.sections import DataConfig
from pipeline.estimate.images import (
    NoSampleError,
    count_classes,
    count_used,
    list_files,
    take_sample,
)
from tests.s3_server import BUCKET, environment, s3_server


@pytest.fixture
def data(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return DataConfig(folder=str(tmp_path), resolution=8)


def test_a_sample_is_converted_as_a_run_converts_it(data):
    (listed,) = list_files(data)
    sample = take_sample(listed, data)
    assert sample.images.shape == (4, 8, 8, 3)
    assert sorted(sample.labels) == ["a", "a", "b", "b"]
    assert sample.accepted == 1
    assert sample.file_bytes == np.mean([file.size for file in listed.files])
    assert sample.example_bytes > 8 * 8 * 3
    assert sample.seconds > 0
    assert count_classes(listed) == 2


def test_files_that_would_be_rejected_lower_the_share(data, tmp_path):
    for name in ("c1.png", "c2.png"):
        (tmp_path / name).write_text("no image")
    assert take_sample(list_files(data)[0], data).accepted == 4 / 6


def test_a_sample_without_an_image_is_an_error(tmp_path):
    (tmp_path / "1.png").write_text("no image")
    data = DataConfig(folder=str(tmp_path))
    with pytest.raises(NoSampleError, match=r"none of 1 sampled files .*'1.png' \(not"):
        take_sample(list_files(data)[0], data)


def test_sources_of_the_window_are_listed_and_older_ones_count_in_part(data, tmp_path):
    sources = tmp_path.parent / f"{tmp_path.name}-sources"
    for name in ("1/x.png", "2/x.png", "2/y.png", "3/x.png"):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "a" / "1.png", sources / name)
    for number, name in enumerate("ab", 2):
        (tmp_path / name).rename(tmp_path / f"span-{number}")
    changes = {
        **{"pattern": "span-{SPAN}", "source_pattern": "{SPAN}", "window": 2, "older_share": 0.5},
        **{"source": str(sources), "pairing": "none"},
    }
    unpaired = data.model_copy(update=changes)
    images, listed = list_files(unpaired)
    assert [len(images.files), len(listed.files)] == [4, 3]
    assert [count_used(each, unpaired) for each in (images, listed)] == [3, 2]
    _, listed = list_files(unpaired.model_copy(update={"span": 2}))
    assert [file.span for file in listed.files] == [1, 2, 2]


def test_the_held_out_folder_is_listed_as_well(data, tmp_path):
    held_out = data.model_copy(update={"holdout": str(tmp_path / "b")})
    assert [len(each.files) for each in list_files(held_out)] == [4, 2]


def test_a_sample_of_pairs_has_the_size_of_both(data, tmp_path):
    alone = take_sample(list_files(data)[0], data)
    sources = tmp_path.parent / f"{tmp_path.name} sources"
    shutil.copytree(tmp_path, sources)
    (sources / "b" / "4.png").unlink()
    paired = data.model_copy(update={"source": str(sources)})
    sample = take_sample(list_files(paired)[0], paired)
    assert sample.accepted == 3 / 4
    assert sample.example_bytes > 1.5 * alone.example_bytes


def test_of_older_spans_a_share_is_written(data, tmp_path):
    for name in ("1", "2"):
        (tmp_path / "ab"[int(name) - 1]).rename(tmp_path / f"span-{name}")
    spans = {"pattern": "span-{SPAN}", "window": 0, "older_share": 0.25}
    spans = data.model_copy(update=spans | {"holdout": str(tmp_path / "span-1")})
    assert [count_used(each, spans) for each in list_files(spans)] == [2.5, 2]


@pytest.fixture
def archives(tmp_path):
    """A folder with the same images in a tar and in a Parquet file with two row groups of 40."""
    folder = tmp_path / "archives"
    folder.mkdir()
    files = sorted(tmp_path.rglob("*.png"))
    with tarfile.open(folder / "a.tar", "w") as tar:
        for file in files:
            tar.add(file, file.relative_to(tmp_path).as_posix())
    images = [{"bytes": file.read_bytes()} for file in files]
    table = pa.table({"image": images * 20, "label": ["a", "a", "c", "c"] * 20})
    pq.write_table(table, folder / "b.parquet", row_group_size=40)
    return folder


def test_images_in_archives_are_sampled_with_their_labels_and_sizes(data, archives):
    one_by_one = take_sample(list_files(data)[0], data)
    (listed,) = list_files(data.model_copy(update={"folder": str(archives)}))
    assert len(listed.files) == 84
    assert count_classes(listed) == 3
    sample = take_sample(listed, data)
    assert sample.accepted == 1
    assert set(sample.labels) == {"a", "b", "c"}
    assert sample.file_bytes == pytest.approx(one_by_one.file_bytes, rel=0.05)


def test_an_archive_that_vanished_after_the_listing_lowers_the_share(data, archives):
    (listed,) = list_files(data.model_copy(update={"folder": str(archives)}))
    (archives / "a.tar").unlink()
    assert 0 < take_sample(listed, data).accepted < 1


def test_remote_files_are_sampled_and_not_asked_for_their_sizes(data, tmp_path):
    for path in tmp_path.rglob("*.png"):
        name = f"ram://estimate/images/{path.relative_to(tmp_path)}"
        fileio.makedirs(os.path.dirname(name))
        with fileio.open(name, "wb") as file:
            file.write(path.read_bytes())
    remote = data.model_copy(update={"folder": "ram://estimate/images"})
    (listed,) = list_files(remote)
    assert [(file.path, file.size) for file in listed.files] == [
        ("a/1.png", 0),
        ("a/2.png", 0),
        ("b/3.png", 0),
        ("b/4.png", 0),
    ]
    here = take_sample(list_files(data)[0], data)
    assert take_sample(listed, remote).file_bytes == here.file_bytes
    assert count_classes(listed) == 2


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A server with the contents of the temporary folder, in a folder that no other test has."""
    with s3_server() as (server, client):
        for path in tmp_path.rglob("*.*"):
            key = f"estimate/{path.relative_to(tmp_path).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        for name, value in environment(server.url).items():
            monkeypatch.setenv(name, value)
        s3._client_of.cache_clear()
        yield server
    s3._client_of.cache_clear()


def test_images_and_archives_in_s3_are_sampled_with_few_requests(data, archives, bucket):
    remote = data.model_copy(update={"folder": f"s3://{BUCKET}/estimate"})
    (here,), (there,) = list_files(data), list_files(remote)
    assert [(f.path, f.size) for f in there.files] == [(f.path, f.size) for f in here.files]
    assert all(file.mtime_ns for file in there.files)
    assert take_sample(there, remote).file_bytes == take_sample(here, data).file_bytes
    assert len(bucket.requests) < 20


def test_a_sample_of_files_that_lead_out_of_the_folder_says_so(tmp_path):
    (tmp_path / "1.png").symlink_to("/etc/passwd")
    data = DataConfig(folder=str(tmp_path))
    with pytest.raises(NoSampleError, match=r"such as '1.png' \(link to a file outside"):
        take_sample(list_files(data)[0], data)
