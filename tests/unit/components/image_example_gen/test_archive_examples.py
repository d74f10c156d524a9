import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from trainer import examples

CLASSES = ["cats", "dogs"]


def features(artifact):
    """The examples in their order, without their paths."""
    rows = []
    for split in (examples.TRAIN, examples.EVAL):
        files = sorted(map(str, Path(artifact.uri, f"Split-{split}").iterdir()))
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            del example.features.feature[examples.PATH]
            rows.append((split, example.SerializeToString(deterministic=True)))
    return rows


def report_of(artifact):
    return json.loads(Path(artifact.uri, "rejected.json").read_text("ascii"))


def write_parquet(path, files):
    """Writes images as datasets does, the folder of each as its label."""
    labels = [CLASSES.index(file.parent.name) for file in files]
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    info = {"info": {"features": {"label": {"names": CLASSES, "_type": "ClassLabel"}}}}
    table = pa.table({"image": images, "label": labels})
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, path, row_group_size=6)


@pytest.fixture
def mixed(forty, tmp_path):
    """The forty images in two tars, a Parquet file, and one as it is."""
    source, _ = forty
    folder = tmp_path / "mixed"
    (folder / "more").mkdir(parents=True)
    (folder / "dogs").mkdir()
    files = sorted(source.rglob("*.png"))
    for name, members in (("a.tar", files[:10]), ("more/b.tar", files[10:25])):
        with tarfile.open(folder / name, "w", format=tarfile.GNU_FORMAT) as tar:
            for file in members:
                tar.add(file, file.relative_to(source).as_posix())
    write_parquet(folder / "more" / "c.parquet", files[25:39])
    (folder / "dogs" / "last.png").write_bytes(files[39].read_bytes())
    return folder


def test_images_in_archives_become_the_examples_of_the_same_images_in_a_folder(
    forty, mixed, run_executor
):
    artifact = run_executor(mixed, resolution=12)
    assert features(artifact) == features(forty[1])
    assert report_of(artifact) == report_of(forty[1])


def test_two_workers_share_an_archive_and_write_the_same(mixed, run_executor):
    two = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    first = features(run_executor(mixed, resolution=12))
    assert features(run_executor(mixed, *two, resolution=12)) == first


def test_damaged_entries_and_archives_are_counted_in_the_report(mixed, run_executor):
    content = bytearray((mixed / "a.tar").read_bytes())
    content[tarfile.BLOCKSIZE : tarfile.BLOCKSIZE + 8] = b"no image"
    (mixed / "a.tar").write_bytes(content[: 8 * tarfile.BLOCKSIZE])
    (mixed / "c.tar").write_text("not a tar")
    (mixed / "d.parquet").write_text("not Parquet")
    report = report_of(run_executor(mixed, resolution=12, max_rejected=0.5))
    assert report["rejected_files"] == [
        ["a.tar", "archive ends early"],
        ["a.tar/cats/01.png", "not an image"],
        ["c.tar", "not a tar archive"],
        ["d.parquet", "not a Parquet file, or damaged"],
    ]
    assert report["rejected"] == sum(report["reasons"].values()) == 4
    assert report["accepted"] == 33
