"""From two folders to examples with a source beside the image."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.reasons import NO_IMAGE, NO_SOURCE, OTHER_ASPECT, SAME_PIXELS
from trainer import examples

ORIENTATION = 0x0112  # an EXIF tag


def read(artifact, *splits):
    """The features of the examples of splits, by path."""
    rows = {}
    for split in splits:
        files = sorted(map(str, Path(artifact.uri, f"Split-{split}").iterdir()))
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            rows[feature[examples.PATH].bytes_list.value[0].decode()] = feature
    return rows


def read_all(artifact):
    return read(artifact, examples.TRAIN, examples.EVAL)


def pixels(feature):
    return tf.io.decode_png(feature.bytes_list.value[0]).numpy()


def report_of(artifact):
    return json.loads(Path(artifact.uri, "rejected.json").read_text("ascii"))


def write_sources(images, folder):
    """Writes a source of each of the forty images: its negative, at half the size."""
    for path in images.rglob("*.png"):
        target = (folder / path.relative_to(images)).with_suffix(".bmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        negative = 255 - np.asarray(Image.open(path))
        Image.fromarray(negative).resize((6, 6), Image.Resampling.BOX).save(target)
    return folder


@pytest.fixture
def sources(image_folder):
    """A folder of sources that the test may change."""
    return write_sources(image_folder, image_folder.parent / "sources")


@pytest.fixture(scope="module")
def paired(forty, tmp_path_factory, run_executor):
    """The sources of forty images, and the artifact of these pairs; read-only."""
    folder = write_sources(forty[0], tmp_path_factory.mktemp("paired") / "sources")
    return folder, run_executor(forty[0], source=str(folder), resolution=12)


def test_an_example_has_the_source_beside_the_image(paired):
    sources, artifact = paired
    rows = read_all(artifact)
    assert len(rows) == 40
    for path, row in rows.items():
        with Image.open((sources / path).with_suffix(".bmp")) as small:
            expected = np.asarray(small.resize((12, 12), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(pixels(row[examples.SOURCE]), expected)
        assert row[examples.SOURCE_MEAN].float_list.value[0] == pytest.approx(expected.mean())
        assert row[examples.SOURCE_STDDEV].float_list.value[0] == pytest.approx(expected.std())


def test_everything_else_is_as_without_sources(forty, paired):
    without, rows = (read_all(artifact) for _, artifact in (forty, paired))
    added = {examples.SOURCE, examples.SOURCE_MEAN, examples.SOURCE_STDDEV}
    for path, row in rows.items():
        assert row.keys() - without[path].keys() == added
        for name in without[path]:
            assert row[name] == without[path][name]


def test_what_is_set_aside_is_reported_with_its_reason(image_folder, sources, run_executor):
    shutil.copy(image_folder / "cats/01.png", image_folder / "alone.png")
    shutil.copy(sources / "cats/01.bmp", sources / "left.bmp")
    (sources / "cats/03.bmp").write_bytes(b"x")
    (image_folder / "cats/05.png").write_bytes(b"x")
    Image.new("RGB", (6, 4)).save(sources / "cats/07.bmp")
    artifact = run_executor(image_folder, source=str(sources), resolution=12, max_rejected=0.2)
    assert report_of(artifact)["rejected_files"] == [
        [f"{sources}/left.bmp", NO_IMAGE],
        ["alone.png", NO_SOURCE],
        ["cats/03.png", "source: not an image"],
        ["cats/05.png", "not an image"],
        ["cats/07.png", OTHER_ASPECT],
    ]
    assert len(read_all(artifact)) == 37
    with pytest.raises(ImageDataError, match=r"max_rejected allows 10\.0%") as error:
        run_executor(image_folder, source=str(sources), resolution=12)
    assert "\n" not in str(error.value)


def test_each_side_is_turned_as_its_own_exif_states(image_folder, sources, run_executor):
    upright = Image.fromarray(np.arange(6 * 12, dtype=np.uint8).reshape(12, 6))  # a portrait
    for folder, turned in ((image_folder, False), (sources, True)):
        exif = Image.Exif()
        exif[ORIENTATION] = 8 if turned else 1  # to be shown turned left
        stored = upright.transpose(Image.Transpose.ROTATE_270) if turned else upright
        stored.save(folder / "turned.png", exif=exif)
    artifact = run_executor(image_folder, source=str(sources), resolution=6, channels=1)
    row = read_all(artifact)["turned.png"]
    np.testing.assert_array_equal(pixels(row[examples.SOURCE]), pixels(row[examples.IMAGE]))


SAME_ASPECT = [  # sizes of an image and its source
    ((28, 21), (7, 5)),  # rounded to whole pixels
    ((28, 28), (7, 7)),
    ((300, 200), (75, 50)),
    ((100, 67), (1600, 1067)),
]
ANOTHER_ASPECT = [
    ((300, 200), (200, 300)),
    ((400, 300), (320, 180)),
    ((300, 200), (90, 50)),
]


def test_sizes_may_differ_and_aspects_may_not(image_folder, sources, run_executor):
    for number, (image, source) in enumerate(SAME_ASPECT + ANOTHER_ASPECT):
        Image.new("RGB", image, (255, number, 0)).save(image_folder / f"pair{number}.png")
        Image.new("RGB", source, "blue").save(sources / f"pair{number}.png")
    artifact = run_executor(image_folder, source=str(sources), resolution=12)
    accepted = {path for path in read_all(artifact) if path.startswith("pair")}
    assert accepted == {f"pair{number}.png" for number in range(len(SAME_ASPECT))}
    assert report_of(artifact)["reasons"] == {OTHER_ASPECT: len(ANOTHER_ASPECT)}


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_source_of_another_size_shows_the_same_part(image_folder, sources, run_executor, fit):
    """A cut of whole pixels would shift a source of an odd size by half of a large one."""
    sizes = [(100, 64), (86, 129), (64, 64)]
    for number, (width, height) in enumerate(sizes):
        ramp = np.linspace(40 + number, 215, width // 4 * 4, dtype=np.uint8)
        small = Image.fromarray(ramp[None])
        large = small.resize((width // 4 * 4, height // 4 * 4), Image.Resampling.BILINEAR)
        name = f"ramp{number}.png"
        large.save(image_folder / name)
        large.resize((width // 4, height // 4), Image.Resampling.BOX).save(sources / name)
    artifact = run_executor(image_folder, source=str(sources), resolution=32, channels=1, fit=fit)
    rows = read_all(artifact)
    for number in range(len(sizes)):
        row = rows[f"ramp{number}.png"]
        shown, before = (
            pixels(row[name]).astype(int) for name in (examples.IMAGE, examples.SOURCE)
        )
        assert np.abs(shown - before)[:, 4:-4].max() <= 1


def test_a_pair_lies_on_the_side_of_its_image(image_folder, sources, run_executor):
    """Equal images are together although their sources differ; the sources decide nothing."""
    for number in range(10):
        shutil.copy(image_folder / "cats/01.png", image_folder / f"copy{number}.png")
        Image.new("RGB", (6, 6), (number, 0, 0)).save(sources / f"copy{number}.png")
    artifact = run_executor(image_folder, source=str(sources), resolution=12)
    copies = {path for path in read_all(artifact) if path.startswith("copy") or "cats/01" in path}
    assert len(copies) == 11
    assert {split for split in ("train", "eval") if copies & read(artifact, split).keys()} in (
        {"train"},
        {"eval"},
    )


def test_held_out_images_have_their_sources(image_folder, sources, run_executor, noise):
    for place, seed in (("held out", 50), ("their sources", 51)):
        (image_folder.parent / place / "dogs").mkdir(parents=True)
        noise(seed).save(image_folder.parent / place / "dogs" / "a.png")
    artifact = run_executor(
        image_folder,
        source=str(sources),
        holdout=f"{image_folder.parent}/held out",
        holdout_source=f"{image_folder.parent}/their sources",
        resolution=12,
    )
    ((path, row),) = read(artifact, examples.HOLDOUT).items()
    assert path.endswith("held out/dogs/a.png")
    np.testing.assert_array_equal(pixels(row[examples.SOURCE]), np.asarray(noise(51)))


def test_images_that_are_their_own_sources_are_a_one_line_error(image_folder, run_executor, noise):
    copy = image_folder.parent / "copy"
    shutil.copytree(image_folder, copy)
    with pytest.raises(ImageDataError, match="all 40 sources have the pixels") as error:
        run_executor(image_folder, source=str(copy), resolution=12)
    assert "\n" not in str(error.value)
    noise(99).save(copy / "cats" / "01.png")
    artifact = run_executor(image_folder, source=str(copy), resolution=12)
    assert report_of(artifact)["notes"] == {SAME_PIXELS: 39}


@pytest.mark.parametrize("change", ["content", "folder", "removal"])
def test_an_example_is_used_again_only_with_the_same_source(
    image_folder, sources, run_executor, tmp_path, change, caplog
):
    where = tmp_path / "artifacts"
    run_executor(image_folder, source=str(sources), resolution=12, uri=where / "1")
    if change == "content":
        Image.new("RGB", (6, 6), "red").save(sources / "cats/01.bmp")
    elif change == "removal":
        (sources / "cats/01.bmp").unlink()
    elif change == "folder":
        shutil.copytree(sources, tmp_path / "others")  # with the same sizes and times
        os.remove(tmp_path / "others/cats/01.bmp")
        shutil.copy2(sources / "cats/03.bmp", tmp_path / "others/cats/01.bmp")
        sources = tmp_path / "others"
    again = run_executor(image_folder, source=str(sources), resolution=12, uri=where / "2")
    fresh = run_executor(image_folder, source=str(sources), resolution=12)
    assert read_all(again) == read_all(fresh)
    assert report_of(again) == report_of(fresh)


def test_sources_may_be_in_archives_of_the_same_names(forty, paired, run_executor, tmp_path):
    expected = read_all(paired[1])
    folders = []
    for folder in (forty[0], paired[0]):
        packed = tmp_path / f"packed {folder.name}"
        packed.mkdir()
        shutil.make_archive(str(packed / "all"), "tar", folder)
        folders.append(packed)
    packed = read_all(run_executor(folders[0], source=str(folders[1]), resolution=12))
    assert len(packed) == 40
    assert {row[examples.SOURCE].bytes_list.value[0] for row in packed.values()} == {
        row[examples.SOURCE].bytes_list.value[0] for row in expected.values()
    }
