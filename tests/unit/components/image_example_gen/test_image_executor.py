import errno
import hashlib
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen.errors import ImageDataError, NotHeldError, StorageError
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reasons import NEARLY_BLACK, NOT_NOW, PROFILE_IGNORED
from components.image_example_gen.report import check_report
from components.image_example_gen.table import parts
from components.image_example_gen.table.shards import ShardWriter
from components.progress import DECODED
from trainer import examples
from trainer.common.progress import listening
from trainer.common.signals import stop_on_signals


def read(artifact, split):
    """Returns the features of a split's examples, in file order: name -> value."""
    files = sorted(map(str, Path(artifact.uri, f"Split-{split}").iterdir()))
    rows = []
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        row = {}
        for name, feature in tf.train.Example.FromString(record).features.feature.items():
            (row[name],) = getattr(feature, feature.WhichOneof("kind")).value
        rows.append(row)
    return rows


def read_all(artifact):
    return {
        row[examples.PATH].decode(): row
        for split in (examples.TRAIN, examples.EVAL)
        for row in read(artifact, split)
    }


def report_of(artifact):
    return json.loads(Path(artifact.uri, "rejected.json").read_text(encoding="ascii"))


def contents(artifact):
    root = Path(artifact.uri)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_an_example_has_the_features_of_the_contract(forty):
    image_folder, artifact = forty
    rows = read_all(artifact)
    assert len(rows) == 40
    for path, row in rows.items():
        pixels = tf.io.decode_png(row[examples.IMAGE]).numpy()
        assert np.array_equal(pixels, np.asarray(Image.open(image_folder / path)))
        assert row[examples.SHA256].decode() == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert row[examples.GROUP] == row[examples.SHA256]
        assert row[examples.LABEL].decode() == path.split("/")[0]
        assert row[examples.SOURCE_WIDTH] == row[examples.SOURCE_HEIGHT] == 12
        assert row[examples.SOURCE_BYTES] == (image_folder / path).stat().st_size
        assert row[examples.MEAN] == pytest.approx(pixels.mean())
        assert row[examples.STDDEV] == pytest.approx(pixels.std())
        assert row[examples.SPAN] == 0
    assert artifact.get_string_custom_property("spans") == "[0]"
    assert artifact.split_names == '["train", "eval"]'
    assert artifact.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"


def test_runs_on_one_worker_and_on_two_write_the_same_bytes(image_folder, run_executor):
    (image_folder / "bad.png").write_bytes(b"text")
    for index in range(100):  # more than one batch of files
        shutil.copy(image_folder / "cats" / "01.png", image_folder / f"copy-{index}.png")
    first = contents(run_executor(image_folder, resolution=8))
    two = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    assert contents(run_executor(image_folder, *two, resolution=8)) == first
    assert set(first) == {
        ".index.parquet",
        "rejected.json",
        "Split-train/data_tfrecord-00000-of-00001.gz",
        "Split-eval/data_tfrecord-00000-of-00001.gz",
    }


def test_examples_are_sorted_by_their_pixel_hash(forty):
    hashes = [row[examples.SHA256] for row in read(forty[1], examples.TRAIN)]
    assert len(hashes) > 20
    assert hashes == sorted(hashes)


def test_large_images_are_distributed_over_several_shards_by_their_pixels(tmp_path, run_executor):
    for gray in range(15):
        for copy in ("a", "b"):
            Image.new("L", (4, 4), gray).save(tmp_path / f"{copy}{gray}.png")
    artifact = run_executor(tmp_path, resolution=1024)
    names = ["data_tfrecord-00000-of-00002.gz", "data_tfrecord-00001-of-00002.gz"]
    for split in (examples.TRAIN, examples.EVAL):
        assert sorted(os.listdir(f"{artifact.uri}/Split-{split}")) == names
    assert len(read_all(artifact)) == 30
    assert (
        report_of(artifact)["duplicates"] == 15
    )  # counted per shard: equal images are in the same one


def test_a_hostile_folder_is_reported_file_by_file(image_folder, run_executor, noise, bomb):
    png = (image_folder / "cats" / "01.png").read_bytes()
    (image_folder / "truncated.png").write_bytes(png[: len(png) // 2])
    (image_folder / "text.png").write_text("not pixels")
    (image_folder / "empty.jpg").write_bytes(b"")
    (image_folder / "bomb.png").write_bytes(bomb)
    os.mkfifo(image_folder / "pipe.png")
    (image_folder / "loop").symlink_to(".", target_is_directory=True)
    (image_folder / "self.png").symlink_to("self.png")
    noise(0, 4, 20).save(image_folder / "small.png")
    (image_folder / "<b>name\n.png").write_bytes(b"x")
    noise(100).save(image_folder / "cats" / "můj kocour.png")
    shutil.copy(image_folder / "cats" / "01.png", image_folder / "copy of 01.png")
    shutil.copy(image_folder / "cats" / "01.png", image_folder / "dogs" / "copy.png")
    artifact = run_executor(image_folder, resolution=8, min_size=8, max_rejected=0.2)
    report = report_of(artifact)
    assert report["rejected_files"] == [
        ["<b>name\n.png", "not an image"],
        ["bomb.png", "more than max_pixels 100000000"],
        ["empty.jpg", "empty file"],
        ["pipe.png", "not a regular file"],
        ["self.png", "broken link"],
        ["small.png", "smaller than 8 pixels (min_size, by default half of resolution)"],
        ["text.png", "not an image"],
        ["truncated.png", "truncated"],
    ]
    assert report["reasons"]["not an image"] == 2
    assert sum(report["reasons"].values()) == 8
    counts = {"files": 51, "accepted": 43, "rejected": 8, "duplicates": 2}
    assert {name: report[name] for name in counts} == counts
    assert {name: artifact.get_int_custom_property(name) for name in counts} == counts
    rows = read_all(artifact)
    assert len(rows) == 43
    assert rows["cats/můj kocour.png"][examples.LABEL] == b"cats"
    assert rows["copy of 01.png"][examples.LABEL] == b""


def test_skipped_files_and_unusual_images_are_reported(image_folder, run_executor):
    for name in ("IMG_1.HEIC", "cats/IMG_2.heic", "logo.svg", "labels.csv", "README", ".DS_Store"):
        (image_folder / name).write_bytes(b"x")
    for index in range(2):
        gray = np.full((12, 12), 4000 + index, np.uint16)
        Image.fromarray(gray).save(image_folder / f"dark-{index}.png")
    holdout = image_folder.parent / "holdout"
    holdout.mkdir()
    Image.new("RGB", (12, 12)).save(holdout / "black.png", icc_profile=b"damaged")
    for name in ("scan.jp2", "more.zip"):
        (holdout / name).write_bytes(b"x")
    artifact = run_executor(image_folder, resolution=12, holdout=str(holdout))
    report = report_of(artifact)
    others = {".csv": 1, ".jp2": 1, ".svg": 1, ".zip": 1, "none": 1}
    assert report["skipped"] == {".heic": 2, **others}
    assert report["notes"] == {NEARLY_BLACK: 3, PROFILE_IGNORED: 1}
    assert (report["files"], report["rejected"]) == (43, 0)
    assert json.loads(artifact.get_string_custom_property("remarks")) == [
        "not read: 2 .heic, 1 .jp2, 1 .svg; convert them to JPEG or PNG",
        "not read: 1 .zip; unpack them",
        f"3 of the accepted images: {NEARLY_BLACK}",
        f"1 of the accepted images: {PROFILE_IGNORED}",
        "ignored: 1 .csv, 1 without an ending",
    ]


@pytest.mark.parametrize(("copies", "remarks"), [(9, 0), (15, 1)])
def test_many_duplicates_are_remarked_on(image_folder, run_executor, copies, remarks):
    first = min(image_folder.rglob("*.png")).read_bytes()
    for index in range(copies):
        (image_folder / f"again-{index}.png").write_bytes(first)
    artifact = run_executor(image_folder, resolution=12)
    accepted = artifact.get_int_custom_property("accepted")
    said = json.loads(artifact.get_string_custom_property("remarks"))
    assert len(said) == remarks
    for line in said:
        start = f"{copies} of {accepted} images are duplicates of the {accepted - copies} different"
        assert line.startswith(start)


def test_usual_files_give_no_remarks(forty):
    assert forty[1].get_string_custom_property("remarks") == "[]"
    assert report_of(forty[1])["skipped"] == report_of(forty[1])["notes"] == {}


def test_the_number_of_files_is_reported_before_the_batches_of_those_that_were_read(
    image_folder, run_executor
):
    reports = []
    with listening(reports.append):
        run_executor(image_folder, holdout=str(image_folder / "cats"))
    assert {report.phase for report in reports} == {DECODED}
    assert next(report.expected for report in reports if report.expected) == 60
    assert sum(report.done for report in reports) == 60


def test_too_many_rejected_files_stop_the_run_with_a_one_line_report(image_folder, run_executor):
    for index in range(10):
        (image_folder / f"text-{index}\x1b[31m.png").write_text("not pixels")
    assert report_of(run_executor(image_folder, max_rejected=0.2))["rejected"] == 10
    with pytest.raises(ImageDataError) as error:
        run_executor(image_folder, max_rejected=0.19)
    message = str(error.value)
    assert "10 of 50 files rejected (20.0%), max_rejected allows 19.0%" in message
    assert "10 not an image" in message
    assert r"'text-0\x1b[31m.png'" in message
    assert message.isprintable()


def test_files_that_cannot_be_read_now_say_nothing_of_the_images(
    image_folder, run_executor, monkeypatch
):
    def fail(stream, options):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("components.image_example_gen.table.parts.decode", fail)
    message = rf"40 files {NOT_NOW}, such as 'cats/.*; try again when"
    with pytest.raises(StorageError, match=message):
        run_executor(image_folder)


def test_files_that_nobody_may_read_are_rejected(image_folder, run_executor, monkeypatch):
    def fail(stream, options):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("components.image_example_gen.table.parts.decode", fail)
    with pytest.raises(ImageDataError, match=r"40 cannot be read \(Permission denied\)"):
        run_executor(image_folder)


def test_a_damaged_newest_span_stops_the_run_despite_many_valid_earlier_images(
    tmp_path, run_executor, noise
):
    for span in (1, 2, 3):
        (tmp_path / f"span-{span}").mkdir()
    for seed in range(40):
        noise(seed).save(tmp_path / f"span-{seed % 2 * 2 + 1}" / f"{seed}.png")
    for name in ("a", "b", "c"):
        (tmp_path / "span-2" / f"{name}.png").write_text("not pixels")
    message = r"3 of 3 files of span 2, the newest, rejected \(100.0%\), max_rejected allows 20.0%"
    with pytest.raises(ImageDataError, match=message):
        run_executor(tmp_path, spans=[1, 2], max_rejected=0.2)
    assert report_of(run_executor(tmp_path, spans=[1, 2, 3], max_rejected=0.2))["rejected"] == 3


def test_what_is_wrong_with_older_spans_says_nothing_about_the_newest(
    tmp_path, run_executor, noise, monkeypatch
):
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
    for seed in range(100):
        noise(seed).save(tmp_path / "span-1" / f"{seed:03}.png")
    for name in ("a", "b", "c"):
        (tmp_path / "span-2" / f"{name}.png").write_text("not pixels")

    def fail(reader, file):
        if "span-1/00" in file.path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(reader, file)

    opened = ImageReader.open
    monkeypatch.setattr(ImageReader, "open", fail)
    message = r"3 of 3 files of span 2, .*: 3 not an image; files: 'span-2/a.png', 'span-2/b.png'"
    with pytest.raises(ImageDataError, match=message) as error:
        run_executor(tmp_path, spans=[1, 2], max_rejected=0.2)
    assert error.value.span == 2


def test_a_bad_held_out_folder_holds_no_span(image_folder, run_executor):
    holdout = image_folder.parent / "holdout"
    holdout.mkdir()
    (holdout / "bad.png").write_text("not pixels")
    with pytest.raises(NotHeldError, match=r"holdout/bad\.png") as error:
        run_executor(image_folder, holdout=str(holdout))
    assert not error.value.hold and error.value.span is None


def report_on(rejected, files, listed=None):
    """A report on rejected files by reason in span 2 of two, of so many files."""
    reasons = {reason: count for reason, count in rejected.items() if count}
    paths = [[f"span-2/{n}", reason] for reason, count in reasons.items() for n in range(count)]
    bad = sum(reasons.values())
    by_span = {
        "1": {"accepted": 1000, "rejected": 0},
        "2": {"accepted": files - bad, "rejected": bad},
    }
    return {
        "files": files + 1000,
        "rejected": bad,
        "reasons": reasons,
        "by_span": by_span,
        "rejected_files": paths[:listed],
        "splits": {"train": 900, "eval": 100},
    }


def test_a_drive_that_fails_for_most_files_is_never_what_a_person_accepts():
    options = ImageOptions(max_rejected=1)
    check_report(report_on({NOT_NOW: 50, "damaged": 50}, 100), "x", options, "span-2")
    with pytest.raises(StorageError, match="51 files cannot be read"):
        check_report(report_on({NOT_NOW: 51}, 100), "x", options, "span-2")
    # Of a list that is cut off, what is listed stands for the rest.
    with pytest.raises(StorageError, match="51 files cannot be read"):
        check_report(report_on({NOT_NOW: 51}, 100, listed=3), "x", options, "span-2")


def test_a_held_out_folder_does_not_make_up_for_bad_images(image_folder, run_executor, noise):
    holdout = image_folder.parent / "good"
    holdout.mkdir()
    for seed in range(100):
        noise(1000 + seed).save(holdout / f"{seed}.png")
    for name in range(10):
        (image_folder / f"bad{name}.png").write_text("not pixels")
    with pytest.raises(ImageDataError, match=r"10 of 50 files rejected \(20.0%\)"):
        run_executor(image_folder, holdout=str(holdout))


def test_an_empty_split_is_an_error_with_a_remedy(tmp_path, run_executor, noise):
    folder = tmp_path / "few"
    folder.mkdir()
    for name, seed in (("x", 0), ("y", 0), ("z", 1)):
        noise(seed).save(folder / f"{name}.png")
    message = r"is in the eval split, of 3 images \(duplicates: 1\); add other images, or change"
    with pytest.raises(ImageDataError, match=message) as error:
        run_executor(folder, eval_percent=1)
    assert error.value.hold is False


def test_a_missing_folder_is_a_one_line_error(tmp_path, run_executor):
    with pytest.raises(ImageDataError, match="no such folder"):
        run_executor(tmp_path / "missing")


def test_equal_pixels_are_never_in_both_splits(image_folder, run_executor):
    for path in sorted(image_folder.rglob("*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))
    artifact = run_executor(image_folder)
    hashes = {
        split: {row[examples.SHA256] for row in read(artifact, split)}
        for split in (examples.TRAIN, examples.EVAL)
    }
    assert not hashes["train"] & hashes["eval"]
    assert len(hashes["train"] | hashes["eval"]) == 40
    assert report_of(artifact)["duplicates"] == 40


def test_a_group_pattern_keeps_related_images_together(tmp_path, run_executor, noise):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(60):
        noise(seed).save(folder / f"person{seed % 20:02}_{seed}.png")
    noise(99).save(folder / "other.png")
    artifact = run_executor(folder, group_pattern=r"(person\d+)_")
    groups = {
        split: {row[examples.GROUP].decode() for row in read(artifact, split)}
        for split in (examples.TRAIN, examples.EVAL)
    }
    assert not groups["train"] & groups["eval"]
    persons = {name for name in groups["train"] | groups["eval"] if name.startswith("person")}
    assert persons == {f"person{index:02}" for index in range(20)}
    ungrouped = read_all(artifact)["other.png"]
    assert ungrouped[examples.GROUP] == ungrouped[examples.SHA256]


def test_the_spans_of_a_window_are_read_as_one_data_set(tmp_path, run_executor, noise):
    for span, seeds in ((1, range(20)), (2, range(10, 40))):
        for seed in seeds:  # ten images are in both spans
            path = tmp_path / f"span-{span}" / "cats" / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(seed).save(path)
    (tmp_path / "span-1" / "bad.png").write_bytes(b"x")
    artifact = run_executor(tmp_path, spans=[1, 2])
    rows = read_all(artifact)
    assert len(rows) == 50
    assert rows["span-1/cats/15.png"][examples.SPAN] == 1
    assert rows["span-2/cats/15.png"][examples.SPAN] == 2
    assert {row[examples.LABEL] for row in rows.values()} == {b"cats"}
    report = report_of(artifact)
    assert report["duplicates"] == 10
    assert report["rejected_files"] == [["span-1/bad.png", "not an image"]]
    assert report["by_span"] == {
        "1": {"accepted": 20, "rejected": 1},
        "2": {"accepted": 30, "rejected": 0},
    }
    assert artifact.get_string_custom_property("spans") == "[1, 2]"
    hashes = {
        split: {row[examples.SHA256] for row in read(artifact, split)}
        for split in (examples.TRAIN, examples.EVAL)
    }
    assert not hashes["train"] & hashes["eval"]


def test_held_out_images_are_a_split_and_are_not_trained_on(image_folder, run_executor, noise):
    holdout = image_folder.parent / "held out"
    for seed in (*range(20), 50, 51):  # about half of them are also in the data
        (holdout / "dogs").mkdir(parents=True, exist_ok=True)
        noise(seed).save(holdout / "dogs" / f"{seed}.bmp")
    (holdout / "bad.png").write_bytes(b"x")
    artifact = run_executor(image_folder, holdout=f"{holdout}/")
    assert artifact.split_names == '["train", "eval", "holdout"]'
    held_out = read(artifact, examples.HOLDOUT)
    assert len(held_out) == 22
    assert {row[examples.LABEL] for row in held_out} == {b"dogs"}
    assert held_out[0][examples.PATH].decode().startswith(f"{holdout}/dogs/")
    train = {row[examples.SHA256] for row in read(artifact, examples.TRAIN)}
    assert not train & {row[examples.SHA256] for row in held_out}
    report = report_of(artifact)
    assert report["in_holdout"] > 10
    assert report["splits"]["train"] + report["splits"]["eval"] + report["in_holdout"] == 40
    assert report["accepted"] == 62
    assert report["duplicates"] == 0
    assert report["rejected_files"] == [[f"{holdout}/bad.png", "not an image"]]
    assert report["by_span"] == {"0": {"accepted": 40, "rejected": 0}}
    without = run_executor(image_folder)
    assert read(without, examples.EVAL) == read(artifact, examples.EVAL)


def test_groups_with_held_out_images_are_not_trained_on(tmp_path, run_executor, noise):
    for person in range(10):
        for shot in range(4):
            folder = tmp_path / ("held out" if shot == 0 and person < 5 else "data")
            folder.mkdir(exist_ok=True)
            noise(10 * person + shot).save(folder / f"person{person}-{shot}.png")
    options = {"group_pattern": r"^(person\d)-", "eval_percent": 30}
    artifact = run_executor(tmp_path / "data", holdout=f"{tmp_path}/held out", **options)

    def persons(split):
        return {Path(row[examples.PATH].decode()).name[:7] for row in read(artifact, split)}

    held_out = {f"person{number}" for number in range(5)}
    assert persons(examples.HOLDOUT) == held_out
    assert persons(examples.TRAIN)
    assert not persons(examples.TRAIN) & held_out
    report = report_of(artifact)
    assert report["in_holdout"] % 3 == 0 < report["in_holdout"]
    assert sum(report["splits"].values()) + report["in_holdout"] == 40
    (remark,) = json.loads(artifact.get_string_custom_property("remarks"))
    assert remark.startswith(f"{report['in_holdout']} not trained on, since they, near-duplicates")


def test_no_image_is_left_to_train_on_where_all_groups_are_held_out(tmp_path, run_executor, noise):
    for folder in ("data", "held out"):
        (tmp_path / folder).mkdir()
        for person in range(20):
            image = noise(person + 100 * len(folder))
            image.save(tmp_path / folder / f"person{person}-{folder}.png")
    message = r"no image is in the train split, of 40 .*in data.holdout, or of a group in it: \d+\)"
    with pytest.raises(ImageDataError, match=message):
        run_executor(
            tmp_path / "data",
            holdout=f"{tmp_path}/held out",
            group_pattern=r"^(person\d+)-",
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "no image files"),
        ("bad", "1 of 1 files of data.holdout rejected"),
        ("everything", "no image is in the train split, of 80 images"),
    ],
)
def test_an_invalid_held_out_folder_is_a_one_line_error(
    image_folder, run_executor, content, message
):
    holdout = image_folder.parent / "holdout"
    holdout.mkdir()
    if content == "bad":
        (holdout / "bad.png").write_bytes(b"x")
    if content == "everything":
        holdout = image_folder
    with pytest.raises(ImageDataError, match=message) as error:
        run_executor(image_folder, holdout=str(holdout))
    assert "\n" not in str(error.value)


def left_behind(tmp_path_factory):
    return list(tmp_path_factory.getbasetemp().glob("examples*[0-9]/.partial"))


def remove_left_behind(tmp_path_factory):
    for folder in left_behind(tmp_path_factory):
        shutil.rmtree(folder)


@pytest.mark.parametrize("kept", [True, False], ids=["Ctrl-C", "what C++ made of it"])
def test_the_run_after_an_interrupted_one_decodes_nothing_again(
    image_folder, run_executor, monkeypatch, tmp_path_factory, kept
):
    (image_folder / "bad.png").write_bytes(b"text")
    holdout = str(image_folder / "cats")
    expected = contents(run_executor(image_folder, holdout=holdout))
    assert not left_behind(tmp_path_factory)

    def interrupt(self, rejected):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if kept:
                raise
        raise TypeError

    def refuse(*_):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), stop_on_signals():
        patch.setattr(ShardWriter, "write", interrupt)
        run_executor(image_folder, holdout=holdout)
    (folder,) = left_behind(tmp_path_factory)
    half = folder / "0123456789abcdef"
    half.write_bytes(b"half a par")
    with monkeypatch.context() as patch:
        patch.setattr(parts, "decode", refuse)
        assert contents(run_executor(image_folder, holdout=holdout)) == expected
    remove_left_behind(tmp_path_factory)


def test_a_failed_run_leaves_nothing_behind(
    image_folder, run_executor, monkeypatch, tmp_path_factory
):
    def fail(self, rejected):
        raise ValueError("no good")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="no good"):
        patch.setattr(ShardWriter, "write", fail)
        run_executor(image_folder)
    with pytest.raises(ImageDataError):
        run_executor(image_folder / "missing")
    assert not left_behind(tmp_path_factory)


def test_two_runs_at_once_write_the_same_bytes(image_folder, run_executor, tmp_path_factory):
    expected = contents(run_executor(image_folder))
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_executor, image_folder) for _ in range(2)]
    assert [contents(run.result()) for run in runs] == [expected, expected]
    assert not left_behind(tmp_path_factory)


def test_the_folder_is_listed_once(image_folder, run_executor, monkeypatch):
    listed = []
    scandir = os.scandir

    def recorded(path):
        listed.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", recorded)
    run_executor(image_folder)
    assert [path for path in listed if path.startswith(f"{image_folder}/cats")] == [
        f"{image_folder}/cats"
    ]
