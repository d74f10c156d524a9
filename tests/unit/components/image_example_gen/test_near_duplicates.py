"""Near-duplicates in the examples of whole runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.table import known

SCENES, SHOTS = 40, 3
OPTIONS = {"resolution": 32, "eval_percent": 40}


def write_shots(folder, photograph, shots, scenes=range(SCENES), first=0):
    """Writes shots of the same scenes, of different brightness and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        pixels = np.asarray(photograph(64 + scene, 64)).astype(float)
        for shot in range(first, first + shots):
            noise = np.random.default_rng(1000 * scene + shot).normal(4 * shot, 2, pixels.shape)
            image = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
            image.save(folder / f"scene{scene:02}-{shot}.png")


@pytest.fixture(scope="module")
def shots(tmp_path_factory, photograph):
    """A folder of bursts; read-only."""
    folder = tmp_path_factory.mktemp("shots") / "images"
    write_shots(folder, photograph, SHOTS)
    return folder


@pytest.fixture(scope="module")
def grouped(shots, tmp_path_factory, run_executor):
    """The artifact of these images; read-only. No other is beside it."""
    return run_executor(shots, uri=tmp_path_factory.mktemp("grouped") / "1", **OPTIONS)


@pytest.fixture(scope="module")
def off(shots, tmp_path_factory, run_executor):
    """The same without a search for near-duplicates."""
    uri = tmp_path_factory.mktemp("off") / "1"
    return run_executor(shots, uri=uri, near_duplicates="off", **OPTIONS)


@pytest.fixture
def ingest(tmp_path, run_executor):
    """A function: number of the run, folder, options -> its artifact."""

    def run(number, folder, *args, **options):
        uri = tmp_path / "examples" / str(number)
        uri.mkdir(parents=True)
        return run_executor(folder, *args, uri=uri, **{**OPTIONS, **options})

    return run


def read(artifact):
    """Split and group of each image, by its path."""
    found = {}
    for path in sorted(Path(artifact.uri).glob("Split-*/*.gz")):
        split = path.parent.name.removeprefix("Split-")
        for record in tf.data.TFRecordDataset(str(path), "GZIP"):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            values = (features[name].bytes_list.value[0].decode() for name in ("path", "group"))
            name, group = values
            found[name] = split, group
    return found


def read_held_out(artifact):
    return [group for split, group in read(artifact).values() if split == "holdout"]


def report_of(artifact):
    return json.loads((Path(artifact.uri) / "rejected.json").read_text())


def contents(artifact):
    root = Path(artifact.uri)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def scenes_in_two_splits(found):
    splits = {}
    for path, (split, _) in found.items():
        splits.setdefault(Path(path).name[:7], set()).add(split)
    return sum(len(each) > 1 for each in splits.values())


def test_the_shots_of_a_burst_are_in_one_split_and_group(grouped):
    artifact = grouped
    found = read(artifact)
    assert len(found) == SCENES * SHOTS
    assert scenes_in_two_splits(found) == 0
    assert len({group for _, group in found.values()}) == SCENES
    counts = report_of(artifact)["near_duplicates"]
    assert (counts["groups"], counts["images"]) == (SCENES, SCENES * SHOTS)
    assert len(counts["largest"]) == 10
    assert all(len({Path(path).name[:7] for path in group}) == 1 for group in counts["largest"])
    remark, advice = json.loads(artifact.get_string_custom_property("remarks"))
    assert remark.endswith(f"in 40 groups, of which {artifact.uri}/rejected.json lists some")
    assert advice.endswith("if they are no copies of each other, set data.near_duplicates=off")


def test_off_leaves_no_trace_and_the_split_to_the_hash_of_each_image(off):
    assert scenes_in_two_splits(read(off)) > 10
    assert "near_duplicates" not in report_of(off)
    assert not list(Path(off.uri).rglob("*near*"))


def test_the_same_bytes_come_from_several_workers_and_other_names(
    shots, grouped, ingest, run_executor, tmp_path
):
    two = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    again = run_executor(shots, *two, uri=tmp_path / "two" / "1", **OPTIONS)
    assert contents(again) == contents(grouped)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for path in shots.iterdir():
        shutil.copy(path, renamed / f"{hash(path.name) % 10**9}{path.name}")
    groups = sorted(group for _, group in read(grouped).values())
    assert sorted(group for _, group in read(ingest(1, renamed)).values()) == groups


@pytest.mark.parametrize("code", ["code", "new"])
def test_images_of_earlier_runs_keep_their_split_and_new_ones_follow(
    tmp_path, photograph, ingest, code
):
    folder = tmp_path / "growing"
    write_shots(folder, photograph, 1)
    before = read(ingest(1, folder))
    write_shots(folder, photograph, SHOTS, first=1)
    after = read(ingest(2, folder, code=code))
    assert {path: after[path] for path in before} == before
    write_shots(folder, photograph, 1, first=SHOTS + 1)
    last = read(ingest(3, folder, code=code))
    assert {path: last[path] for path in after} == after
    assert scenes_in_two_splits(last) == 0
    assert len(last) == SCENES * (SHOTS + 2)


def test_images_stay_where_they_are_when_the_first_of_their_group_leaves_the_window(
    tmp_path, photograph, ingest
):
    folder = tmp_path / "days"
    for span in (1, 2, 3):
        write_shots(folder / f"span-{span}", photograph, 1, first=span)
    both = read(ingest(1, folder, spans=[1, 2]))
    later = read(ingest(2, folder, spans=[2, 3]))
    assert {path: both[path] for path in both if path in later} == {
        path: later[path] for path in both if path in later
    }
    assert scenes_in_two_splits(later) == 0


def test_of_the_records_of_earlier_groups_only_the_newest_is_read(shots, ingest, monkeypatch):
    for number in (9, 10, 11):
        ingest(number, shots)
    read = []
    read_table = known.read_table

    def recorded(path, *columns):
        found = read_table(path, *columns)
        read.append(path)
        return found

    monkeypatch.setattr(known, "read_table", recorded)
    ingest(12, shots)
    assert {Path(path).parent.name for path in read} == {"11"}


def test_a_damaged_record_of_earlier_groups_is_ignored(shots, grouped, ingest, tmp_path):
    first = shutil.copytree(grouped.uri, tmp_path / "examples" / "1")
    record = first / ".index.parquet"
    whole = record.read_bytes()
    for number, content in enumerate((b"", b"PAR1", whole[: len(whole) // 2], b"\x80\x04."), 2):
        record.write_bytes(content)
        assert read(ingest(number, shots)) == read(grouped)


def test_images_like_held_out_ones_are_not_trained_on(tmp_path, photograph, shots, ingest):
    holdout = tmp_path / "holdout"
    write_shots(holdout, photograph, 1, scenes=range(10), first=7)
    artifact = ingest(1, shots, holdout=str(holdout))
    train = {Path(path).name[:7] for path, (split, _) in read(artifact).items() if split == "train"}
    assert train.isdisjoint(f"scene{scene:02}" for scene in range(10))
    assert report_of(artifact)["in_holdout"] > 5


def test_a_held_out_image_has_its_group_again_without_the_one_that_led_it(
    tmp_path, photograph, ingest
):
    folder, holdout = tmp_path / "images", tmp_path / "holdout"
    write_shots(folder / "span-1", photograph, 1)
    write_shots(folder / "span-2", photograph, SHOTS, scenes=[SCENES])
    shutil.copytree(folder / "span-2", holdout / "cats")
    options = {"holdout": str(holdout), "group_pattern": "(cats)"}
    assert len(set(read_held_out(ingest(1, folder, spans=[1, 2], **options)))) == 2
    assert read_held_out(ingest(2, folder, spans=[1], **options)) == ["cats"] * SHOTS


def test_a_group_pattern_wins(shots, ingest):
    artifact = ingest(1, shots, group_pattern=r"-(\d)\.png")
    assert {group for _, group in read(artifact).values()} == set("012")
    assert report_of(artifact)["near_duplicates"] == {"groups": 0, "images": 0, "largest": []}


def test_flat_images_do_not_become_one_group(tmp_path, run_executor):
    for level in range(60):
        Image.new("RGB", (32, 32), (level, 255 - level, 3 * level)).save(tmp_path / f"{level}.png")
    found = read(run_executor(tmp_path, **OPTIONS))
    assert len({group for _, group in found.values()}) == 60


@pytest.mark.parametrize("count", [2, 30])
def test_images_that_all_look_alike_cannot_be_divided_and_the_error_says_so(
    tmp_path, photograph, ingest, count
):
    folder = tmp_path / "images"
    write_shots(folder, photograph, count, scenes=[0])
    message = rf"\(near-duplicates: {count}\); .* or change .* near_duplicates"
    with pytest.raises(ImageDataError, match=message):
        ingest(1, folder)
