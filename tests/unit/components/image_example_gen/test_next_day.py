"""The ingest after another one: what that one decoded is used again."""

import os
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.table import known, shards
from components.progress import DECODED
from trainer.common.progress import listening

DAY = {"resolution": 8, "max_rejected": 0.5}


@pytest.fixture(scope="module")
def original(tmp_path_factory, noise):
    """A data folder with two spans: duplicates, a copy across them, rejected files, a note."""
    folder = tmp_path_factory.mktemp("original") / "days"
    for span, seeds in ((1, range(30)), (2, range(20, 40))):
        for seed in seeds:
            path = folder / f"span-{span}" / ("cats" if seed % 2 else "dogs") / f"{seed:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(seed).save(path)
        (folder / f"span-{span}/text.png").write_text("not pixels")
        Image.new("L", (12, 12), span).save(folder / f"span-{span}/dark.png")
    return folder


@pytest.fixture
def days(original):
    """A copy of the data folder that the test may change; all are in the same place."""
    folder = original.parent.parent / "days"
    yield shutil.copytree(original, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first_artifact(original, tmp_path_factory, run_executor):
    """What an ingest of both spans wrote that saw no other."""
    folder = original.parent.parent / "days"
    shutil.copytree(original, folder)
    try:
        artifact = run_executor(
            folder, uri=tmp_path_factory.mktemp("first") / "1", spans=(1, 2), **DAY
        )
    finally:
        shutil.rmtree(folder)
    return Path(artifact.uri)


def write_archive(path, images, time):
    """Writes images as BMPs, whose sizes are equal, and sets the time of the archive."""
    folder = path.parent / "unpacked"
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number}.bmp")
    files = sorted(folder.iterdir())
    if path.suffix == ".tar":
        with tarfile.open(path, "w") as tar:
            for file in files:
                tar.add(file, file.name)
    else:
        table = pa.table({"image": [{"bytes": file.read_bytes()} for file in files]})
        pq.write_table(table, path, row_group_size=2)
    shutil.rmtree(folder)
    os.utime(path, ns=(time, time))


@pytest.fixture
def archives(days, noise):
    """The days with a tar and a Parquet file of three images in each span."""
    for span in (1, 2):
        for number, name in enumerate(("a.tar", "b.parquet")):
            first = 100 * span + 10 * number
            images = [noise(first + i) for i in range(3)]
            write_archive(days / f"span-{span}" / name, images, time=10**18)


@pytest.fixture
def decoded(monkeypatch):
    """The files that are opened, as the test runs."""
    opened = []
    open_image = ImageReader.open

    def recorded(self, file):
        opened.append(file.path)
        return open_image(self, file)

    monkeypatch.setattr(ImageReader, "open", recorded)
    return opened


@pytest.fixture
def ingest(days, tmp_path, run_executor):
    """A function: number of the run, options -> the bytes that it wrote; `alone` sees no other."""

    def run(number, alone=False, spans=(1, 2), **options):
        uri = tmp_path / ("alone" if alone else "examples") / str(number)
        uri.mkdir(parents=True)
        artifact = run_executor(days, uri=uri, spans=spans, **{**DAY, **options})
        return contents(Path(artifact.uri))

    return run


def contents(root):
    assert not (root / ".partial").exists()
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def first(first_artifact, days, tmp_path):
    """The bytes that the run with the number 1 wrote."""
    return contents(shutil.copytree(first_artifact, tmp_path / "examples" / "1"))


def test_the_next_span_is_decoded_and_the_others_are_not(ingest, decoded):
    ingest(9, spans=[1])
    decoded.clear()
    second = ingest(10, spans=[1, 2])
    assert len(decoded) == 22
    assert {path.split("/")[0] for path in decoded} == {"span-2"}
    assert second == ingest(1, alone=True, spans=[1, 2])


def test_an_unchanged_window_is_not_opened_and_its_rejections_are_reported_again(
    first, ingest, decoded
):
    assert ingest(2) == first
    assert not decoded
    assert b"span-1/text.png" in first["rejected.json"]
    assert b"nearly black" in first["rejected.json"]


def test_a_changed_file_is_decoded_again_and_a_removed_one_disappears(
    first, ingest, decoded, days, noise
):
    noise(77).save(days / "span-1/cats/01.png")
    (days / "span-1/dogs/02.png").unlink()
    (days / "span-2/text.png").unlink()
    (days / "span-1/dogs/04.png").rename(days / "span-1/dogs/new.png")
    again = ingest(2)
    assert sorted(decoded) == ["span-1/cats/01.png", "span-1/dogs/new.png"]
    assert again == ingest(3, alone=True)


@pytest.mark.parametrize(
    "options",
    [{"eval_percent": 50}, {"max_rejected": 0.9}],
    ids=lambda options: next(iter(options)),
)
def test_options_that_only_choose_examples_decode_nothing(first, ingest, decoded, options):
    again = ingest(2, **options)
    assert not decoded
    assert again == ingest(1, alone=True, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": [8, 9]},
        {"fit": "pad"},
        {"min_size": 2},
        {"group_pattern": r"/(\d)"},
        {"code": "new"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_options_or_code_decode_everything(first, ingest, decoded, options):
    again = ingest(2, **options)
    assert len(decoded) == 54
    assert again == ingest(1, alone=True, **options)


def test_images_that_a_holdout_kept_out_are_known(ingest, decoded, days, tmp_path):
    options = {"group_pattern": r"/(\d)\d\.", "eval_percent": 40}
    holdout = tmp_path / "holdout"
    shutil.copytree(days / "span-1/cats", holdout / "cats")
    ingest(1, **options, holdout=str(holdout))
    decoded.clear()
    ingest(2, **options, holdout=str(holdout))
    reports = []
    with listening(reports.append):
        everything = ingest(3, **options)
    assert not decoded
    done, expected = (
        sum(getattr(each, name) for each in reports if each.phase == DECODED)
        for name in ("done", "expected")
    )
    assert done == expected == 54
    assert everything == ingest(1, alone=True, **options)


def test_what_could_not_be_read_is_tried_again(days, ingest, decoded, monkeypatch):
    path = "span-1/cats/01.png"
    open_image = ImageReader.open

    def refuse(self, file):
        if file.path == path:
            raise PermissionError(13, "Permission denied")
        return open_image(self, file)

    with monkeypatch.context() as patch:
        patch.setattr(ImageReader, "open", refuse)
        assert b"cannot be read (Permission denied)" in ingest(1)["rejected.json"]
    decoded.clear()
    again = ingest(2)
    assert decoded == [path]
    assert again == ingest(1, alone=True)


def test_groups_and_held_out_images_are_as_after_a_full_decode(ingest, days, tmp_path):
    holdout = tmp_path / "holdout"
    shutil.copytree(days / "span-1/cats", holdout / "cats")
    options = {"group_pattern": r"/(\d)\d\.", "eval_percent": 40, "holdout": str(holdout)}
    ingest(1, spans=[1], **options)
    again = ingest(2, **options)
    assert again == ingest(1, alone=True, **options)
    assert b'"in_holdout": 0' not in again["rejected.json"]


def test_groups_that_are_held_out_later_are_no_longer_trained_on(ingest, decoded, days, tmp_path):
    options = {"group_pattern": r"/(\d)\d\.", "eval_percent": 40}
    ingest(1, **options)
    holdout = tmp_path / "holdout"
    shutil.copytree(days / "span-1/cats", holdout / "cats")
    decoded.clear()
    later = ingest(2, **options, holdout=str(holdout))
    assert {Path(path).parent for path in decoded} == {holdout / "cats"}
    assert later == ingest(1, alone=True, **options, holdout=str(holdout))


@pytest.mark.parametrize("damage", ["half", "bit", "empty", "gone"])
@pytest.mark.parametrize("file", ["Split-train/data_tfrecord-00000-of-00001.gz", ".index.parquet"])
def test_a_damaged_artifact_is_decoded_again(first, ingest, decoded, tmp_path, file, damage):
    path = tmp_path / "examples" / "1" / file
    content = path.read_bytes()
    half = len(content) // 2
    changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"half": content[:half], "bit": changed, "empty": b""}[damage])
    assert ingest(2) == first
    assert len(decoded) > 20


@pytest.mark.parametrize("damage", ["half", "bit"])
def test_what_a_killed_run_has_left_damaged_is_decoded_again(
    ingest, decoded, monkeypatch, tmp_path, damage
):
    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards.ShardWriter, "write", kill)
        ingest(1)
    (path,) = (tmp_path / "examples/1/.partial").glob("*.examples")
    content = path.read_bytes()
    half = len(content) // 2
    changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    path.write_bytes({"half": content[:half], "bit": changed}[damage])
    decoded.clear()
    again = ingest(2)
    assert decoded
    assert again == ingest(1, alone=True)


def test_archives_of_the_next_span_are_decoded_and_those_of_earlier_ones_are_not(
    archives, ingest, decoded
):
    ingest(1, spans=[1])
    decoded.clear()
    second = ingest(2, spans=[1, 2])
    assert len(decoded) == 22 + 6
    assert {path.split("/")[0] for path in decoded} == {"span-2"}
    assert second == ingest(1, alone=True)
    decoded.clear()
    assert ingest(3) == second
    assert not decoded


@pytest.mark.parametrize(
    ("name", "images", "time"),
    [("a.tar", 3, 10**18 + 1), ("b.parquet", 20, 10**18)],
    ids=["time", "size"],
)
def test_a_replaced_archive_is_decoded_again_whole_and_no_other(
    archives, ingest, decoded, days, noise, name, images, time
):
    ingest(1)
    decoded.clear()
    write_archive(days / "span-1" / name, [noise(900 + i) for i in range(images)], time)
    again = ingest(2)
    assert len(decoded) == images
    assert {path.rpartition("/")[0] for path in decoded} == {f"span-1/{name}"}
    assert again == ingest(3, alone=True)


def test_of_earlier_runs_only_the_newest_that_knows_the_files_is_read(ingest, decoded, monkeypatch):
    for number in (9, 10, 11):
        ingest(number, spans=[1])
    decoded.clear()
    read = []
    read_table = known.read_table

    def recorded(path, *columns):
        read.append(path)
        return read_table(path, *columns)

    monkeypatch.setattr(known, "read_table", recorded)
    ingest(12, spans=[1, 2])
    assert {Path(path).parent.name for path in read} == {"11", "12"}  # and what it wrote itself
    assert {path.split("/")[0] for path in decoded} == {"span-2"}


def test_a_run_that_was_killed_as_it_wrote_shards_hides_no_finished_one(
    ingest, decoded, monkeypatch, tmp_path
):
    monkeypatch.setattr(shards, "IMAGES_PER_SHARD", 8)
    ingest(1)
    ingest(2)
    killed = tmp_path / "examples" / "2"
    (killed / ".partial").mkdir()
    (killed / ".index.parquet").unlink()
    decoded.clear()
    ingest(3)
    assert not decoded
