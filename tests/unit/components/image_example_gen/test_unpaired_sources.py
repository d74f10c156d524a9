"""From two folders that share no names to splits of images and splits of sources."""

import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils

from components.image_example_gen import names
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.folders.reading import ImageReader
from trainer import examples

SPLITS = (examples.TRAIN, examples.EVAL, examples.SOURCE_TRAIN, examples.SOURCE_EVAL)


def records(artifact, split):
    """The serialized examples of a split, in order."""
    files = sorted(map(str, Path(artifact.uri, f"Split-{split}").iterdir()))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def values(artifact, split, name):
    parsed = [tf.train.Example.FromString(record) for record in records(artifact, split)]
    return [each.features.feature[name].bytes_list.value[0].decode() for each in parsed]


@pytest.fixture
def sources(tmp_path, noise):
    """Fifty small images, some of them equal."""
    folder = tmp_path / "sources"
    for number in range(50):
        path = folder / f"{number % 3}" / f"source-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(1000 + number // 2, 4, 4).save(path)
    return folder


def test_both_folders_are_split_by_the_same_rule_and_equal_sources_stay_together(
    image_folder, sources, run_executor
):
    options = {"resolution": 12, "min_size": 12}  # of images alone
    artifact = run_executor(image_folder, unpaired_source=str(sources), **options)
    assert artifact_utils.decode_split_names(artifact.split_names) == list(SPLITS)
    train, held_out, source_train, source_eval = (
        set(values(artifact, split, examples.SHA256)) for split in SPLITS
    )
    assert len(source_train | source_eval) == 25
    assert len(source_eval) >= 2
    assert not source_train & source_eval
    paths = values(artifact, examples.SOURCE_TRAIN, examples.PATH)
    paths += values(artifact, examples.SOURCE_EVAL, examples.PATH)
    assert sorted(paths) == sorted(map(str, sources.rglob("*.png")))
    alone = run_executor(image_folder, **options)
    assert train == set(values(alone, examples.TRAIN, examples.SHA256))
    assert held_out == set(values(alone, examples.EVAL, examples.SHA256))


def test_rejected_sources_are_reported_beside_the_images_and_too_many_end_the_run(
    image_folder, sources, run_executor
):
    (sources / "x.png").write_bytes(b"x")
    artifact = run_executor(image_folder, unpaired_source=str(sources), resolution=12)
    assert artifact.get_int_custom_property(names.FILES) == 40
    remarks = json.loads(artifact.get_string_custom_property(names.REMARKS))
    report = f"{artifact.uri}/sources/rejected.json"
    assert f"sources: 50 of 51 files accepted: {report}" in remarks
    rejected = json.loads(Path(report).read_text("ascii"))["rejected_files"]
    assert rejected == [[f"{sources}/x.png", "not an image"]]
    with pytest.raises(ImageDataError, match=rf"^{sources}: 1 of 51 files rejected"):
        run_executor(image_folder, unpaired_source=str(sources), resolution=12, max_rejected=0.01)


def test_a_later_run_decodes_new_sources_alone(
    image_folder, sources, run_executor, tmp_path, monkeypatch
):
    paths = [tmp_path / "artifacts" / number for number in ("1", "2")]
    first = run_executor(image_folder, unpaired_source=str(sources), resolution=12, uri=paths[0])
    Image.new("RGB", (6, 6), "red").save(sources / "red.png")
    decoded = []

    def decode(reader, file):
        decoded.append(file.path)
        return original(reader, file)

    original = ImageReader.open
    monkeypatch.setattr(ImageReader, "open", decode)
    second = run_executor(image_folder, unpaired_source=str(sources), resolution=12, uri=paths[1])
    assert decoded == [str(sources / "red.png")]
    for split in SPLITS[:2]:
        assert records(first, split) == records(second, split)


def test_sources_that_are_all_images_end_the_run_and_some_are_a_remark(
    image_folder, sources, run_executor, tmp_path
):
    copy = tmp_path / "copy"
    shutil.copytree(image_folder / "cats", copy)
    with pytest.raises(ImageDataError) as error:
        run_executor(image_folder, unpaired_source=str(copy), resolution=12)
    assert str(error.value) == (
        f"{copy}: all 20 sources have the pixels of images, so that there is nothing to translate; "
        "name another folder in data.source"
    )
    shutil.copytree(sources, copy, dirs_exist_ok=True)
    (copy / "x.png").write_bytes(b"x")
    artifact = run_executor(image_folder, unpaired_source=str(copy), resolution=12)
    remarks = json.loads(artifact.get_string_custom_property(names.REMARKS))
    assert "sources: 20 of 70 have the pixels of an image" in remarks


@pytest.mark.parametrize("place", ["same", "inside", "around", "empty", "missing"])
def test_what_is_no_second_folder_of_images_is_refused(image_folder, run_executor, tmp_path, place):
    (tmp_path / "empty").mkdir()
    folder = {"same": image_folder, "inside": image_folder / "cats", "around": tmp_path}.get(
        place, tmp_path / place
    )
    with pytest.raises(ImageDataError) as error:
        run_executor(image_folder, unpaired_source=str(folder), resolution=12)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
