"""What is seen of a folder of images, hostile ones included."""

import io
import os
import shlex
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import ExifTags, Image

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.spans import Listings
from pipeline.choosing import look as looking
from pipeline.choosing.look import look
from pipeline.config.pipeline_config import load
from pipeline.config.sections import DataConfig


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def save(tmp_path):
    """A function that writes an array or an image below the folder of images."""

    def write(name, image):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)

    return write


@pytest.fixture
def see(tmp_path):
    """A function that looks at the folder of images."""
    (tmp_path / "images").mkdir()
    return lambda **data: look(DataConfig(folder=str(tmp_path / "images"), **data), Listings())


def save_in(save, folders):
    """Writes one image into each folder."""
    for folder in folders:
        save(f"{folder}/1.png", noise(0, 8, 8, 3))


def test_sizes_classes_and_color_are_seen(save, see):
    for i, (width, height) in enumerate([(20, 10), (40, 20), (60, 30)]):
        save(f"class {i % 2}/deeper/{i}.png", noise(i, height, width, 3))
    seen = see()
    assert (seen.files, seen.smallest, seen.median, seen.largest) == (3, 10, 20, 30)
    assert (seen.aspect, seen.gray, seen.transparent) == (2, False, False)
    assert seen.classes == {"class 0": 2, "class 1": 1}
    assert seen.describe() == (
        "3 color pictures of about 40x20 (shorter sides 10 to 30 pixels) in 2 folders"
    )
    assert seen.have_classes
    assert [seen.smaller_than(*size) for size in ((10, 20), (20, 20), (10, 41))] == [
        0,
        1 / 3,
        2 / 3,
    ]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Train", "val"), True),
        (("train2017", "val2017"), True),
        (("trainA", "trainB", "testA", "testB"), True),
        (("train", "test", "extra"), True),
        (("trainA", "trainB"), True),
        (("train", "unlabeled"), True),
        (("train", "validate"), True),
        (("trainval", "test"), True),
        (("trn", "val", "tst"), True),
        (("train", "holdout"), True),
        (("bounding_box_train", "bounding_box_test", "query"), True),
        (("training_set", "test_set"), True),
        (("seg_train", "seg_test", "seg_pred"), True),
        (("DIV2K_train_HR", "DIV2K_valid_HR"), True),
        (("train", "car"), False),
        (("trained", "test"), False),
        (("steam_train", "bullet_train"), False),
    ],
)
def test_folders_of_splits_are_no_classes(save, see, folders, splits):
    save_in(save, folders)
    assert (see().have_splits, see().have_classes) == (splits, not splits)


@pytest.mark.parametrize(
    ("folders", "kinds"),
    [
        (("0", "1", "10"), {"0", "1", "10"}),
        (("n01440764", "n01443537"), {"n01440764", "n01443537"}),
        (("bad", "bed"), {"bad", "bed"}),
        (("images", "segmentation"), set()),
        (("photos", "thumbnails"), set()),
        (("alpha", "beta"), {"alpha", "beta"}),
        (("0f", "a0"), set()),
        (("0", "a"), set()),
        (("00000", "01000"), set()),
        (("part-1", "fold 02"), set()),
        (("2025-01", "2025_02_03"), set()),
        (("2025-01-31 Party", "2025-02-03"), set()),
        (("Photos from 2019", "Photos from 2020"), set()),
        (("202301__", "202302_a"), set()),
        (("16x16", "48x48"), set()),
        (("100CANON", "101CANON"), set()),
        (("100EOS5D", "100D750_", "DJI_001"), set()),
        (("001_rose", "002_tulip", "004_lily"), {"001_rose", "002_tulip", "004_lily"}),
        (("2024-05 Rome", "20240531 Birthday", "misc"), {"misc"}),
        (("2018 Italy", "2019_Norway"), set()),
        (("1968-76 ford", "2012-2015 audi", "vw"), {"1968-76 ford", "2012-2015 audi", "vw"}),
        (("2000 rupees", "500 rupees", "coins"), {"2000 rupees", "500 rupees", "coins"}),
        (("images", "masks"), set()),
        (("images", "gt"), set()),
        (("2019", "2020", "misc"), {"misc"}),
        (("batch_1", "cats", "dogs"), {"cats", "dogs"}),
    ],
)
def test_folders_by_number_are_no_kinds_of_pictures(save, see, folders, kinds):
    save_in(save, folders)
    assert see().kinds.keys() == kinds


def test_labels_of_archives_are_kinds_but_not_the_folders_beside_them(tmp_path, save, see):
    save("cats/1.png", noise(0, 8, 8, 3))
    folder = tmp_path / "images"
    with tarfile.open(folder / "2020.tar", "w") as tar:
        tar.add(folder / "cats", "0001")
    (folder / "cats" / "1.png").unlink()
    assert see().kinds == {"0001": 1}
    save_in(save, ["2019", "2020"])
    assert see().kinds == {}


@pytest.mark.parametrize(
    ("folders", "pattern"),
    [
        (("span-1", "span-02"), "span-{SPAN}"),
        (("2026-01-31", "2026-02-01"), "{YYYY}-{MM}-{DD}"),
        (("2026/01/31", "2026/02/01"), "{YYYY}/{MM}/{DD}"),
        (("span-1", "cats"), ""),
        (("2026", "2027"), ""),
        (("span-1",), "span-{SPAN}"),
    ],
)
def test_folders_that_look_like_spans_are_reported(save, see, folders, pattern):
    save_in(save, folders)
    assert see().spans == pattern
    text = f"""; the folders look like spans: --set 'data.pattern="{pattern}"' reads the newest"""
    assert see().describe().endswith(text) == bool(pattern)
    assert see().have_classes == (not pattern and len(folders) > 1)


def test_the_pattern_of_spans_is_printed_as_it_can_be_pasted(save, see):
    save_in(save, ("2026-01-31", "2026-02-01"))
    words = shlex.split(see().describe())
    override = words[words.index("--set") + 1]
    assert load(overrides=["data.folder=x", override]).data.pattern == "{YYYY}-{MM}-{DD}"


def test_spans_are_not_reported_where_a_pattern_is_set(save, see):
    save("span-1/1.png", noise(0, 8, 8, 3))
    assert see(pattern="span-{SPAN}").spans == ""


def test_different_aspects_are_reported(save, see):
    for i, size in enumerate([(30, 40), (40, 30), (30, 30), (30, 30), (32, 30)]):
        save(f"{'ab'[i % 2]}/{i}.png", noise(i, *size[::-1], 3))
    seen = see()
    assert (seen.narrow, seen.aspect) == (1, 1)
    assert seen.describe() == (
        "5 color pictures of 30x30 in 2 folders, half of them 1 to 1.1 times as wide as high"
    )


@pytest.mark.parametrize("kind", ["jpg", "webp", "png", "tif"])
def test_a_photograph_that_is_stored_turned_is_described_upright(tmp_path, see, kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(noise(0, 30, 40, 3)).save(tmp_path / "images" / f"1.{kind}", exif=exif)
    assert see().describe() == "1 color picture of 30x40"


def test_an_upright_image_is_described_upright(save, see):
    save("1.png", noise(0, 7, 5, 3))
    assert see().describe() == "1 color picture of 5x7"


@pytest.mark.parametrize("quality", [60, 95])
def test_gray_images_saved_in_color_are_gray(save, see, quality):
    for i in range(4):
        save(f"{i}.jpg", Image.fromarray(noise(i, 28, 28)).convert("RGB").resize((90, 90)))
    assert see().gray


def test_a_few_color_images_among_gray_ones_keep_the_color(save, see):
    for i in range(10):
        save(f"{i}.png", noise(i, 8, 8) if i else noise(i, 8, 8, 3))
    assert not see().gray


@pytest.mark.parametrize("name", ["1.png", "1.webp", "1.gif"])
@pytest.mark.parametrize(("level", "background"), [(255, "#000000"), (40, "#ffffff")])
def test_transparency_and_what_would_vanish_on_white_are_seen(save, see, name, level, background):
    image = Image.new("RGBA", (16, 16))
    image.paste((level, level, level, 255), (4, 4, 12, 12))
    save(name, image)
    assert (see().transparent, see().background) == (True, background)


def test_pictures_of_which_nothing_is_visible_choose_no_background(save, see):
    for i in range(12):
        image = Image.new("RGBA", (16, 16))
        if i >= 4:
            image.paste((255, 255, 255, 255), (4, 4, 12, 12))
        save(f"{i}.png", image)
    seen = see()
    assert (seen.transparent, seen.background) == (True, "#000000")


def test_files_that_are_known_to_be_bad_count_as_few_among_the_rows_of_an_archive(tmp_path, see):
    png = io.BytesIO()
    Image.fromarray(noise(0, 8, 8, 3)).save(png, "PNG")
    (tmp_path / "images").mkdir(exist_ok=True)
    rows = pa.array([{"bytes": png.getvalue()}] * 300)
    pq.write_table(pa.table({"image": rows}), tmp_path / "images" / "x.parquet")
    pq.write_table(pa.table({"caption": ["a"]}), tmp_path / "images" / "y.parquet")
    seen = see()
    assert seen.usable == 300
    assert "no column `image`" in seen.problem


@pytest.mark.parametrize(
    ("dark", "background"), [(0, "#000000"), (1, "#808080"), (3, "#808080"), (9, "#808080")]
)
def test_pictures_that_would_vanish_on_white_beside_others_on_black_are_seen(
    save, see, dark, background
):
    for i in range(12):
        level = 0 if i < dark else 255
        image = Image.new("RGBA", (16, 16))
        image.paste((level, level, level, 255), (4, 4, 12, 12))
        save(f"{i}.png", image)
    assert see().background == background


@pytest.mark.parametrize(("white", "background"), [(0, "#ffffff"), (1, "#ffffff"), (3, "#000000")])
def test_a_few_colored_pictures_that_would_vanish_on_white_choose_against_it(
    save, see, white, background
):
    for i in range(24):
        color = (252, 252, 252, 255) if i < white else (0, 0, 255, 255)
        image = Image.new("RGBA", (16, 16))
        image.paste(color, (4, 4, 12, 12))
        save(f"{i}.png", image)
    assert see().background == background


def test_white_pictures_with_outlines_show_on_white(save, see):
    for i in range(24):
        image = Image.new("RGBA", (16, 16))
        image.paste((0, 0, 255, 255), (2, 2, 14, 14))
        if i < 6:
            image.paste((255, 255, 255, 255), (3, 3, 13, 13))
        save(f"{i}.png", image)
    assert see().background == "#ffffff"


def test_an_opaque_alpha_channel_is_no_transparency(save, see):
    save("1.png", Image.fromarray(noise(0, 16, 16, 3)).convert("RGBA"))
    assert not see().transparent


def test_files_that_cannot_be_read_are_counted_and_one_is_named(tmp_path, save, see):
    for i in range(3):
        save(f"{i}.png", noise(i, 8, 8, 3))
    (tmp_path / "images" / "a\nb.png").write_bytes(b"no image")
    seen = see()
    assert (seen.files, seen.readable, seen.usable) == (4, 0.75, 3)
    assert seen.describe().endswith("; 25% cannot be read: 'a\\nb.png' (not an image)")


def test_one_bad_file_among_many_is_counted(tmp_path, save, see):
    for i in range(299):
        save(f"{i}.png", noise(i, 8, 8, 3))
    (tmp_path / "images" / "bad.png").write_bytes(b"no image")
    assert "; under 1% cannot be read: 'bad.png'" in see().describe()


def test_pictures_of_a_kind_that_is_not_read_are_counted(tmp_path, save, see):
    save("1.png", noise(0, 8, 8, 3))
    for name in ("1.heic", "2.HEIC", "labels.csv"):
        (tmp_path / "images" / name).touch()
    assert see().describe().endswith("; not read: 2 .heic; convert them to JPEG or PNG")


def test_archives_that_are_not_read_are_counted_beside_unpacked_pictures(tmp_path, save, see):
    save("1.png", noise(0, 8, 8, 3))
    for name in ("a.zip", "b.ZIP", "c.tar.gz", "1.heic"):
        (tmp_path / "images" / name).touch()
    pictures, archives = "1 .heic; convert them to JPEG or PNG", "2 .zip, 1 .tar.gz; unpack them"
    assert see().describe().endswith(f"; not read: {pictures}; not read: {archives}")


def test_a_truncated_image_is_found_although_its_header_is_valid(tmp_path, save, see):
    save("1.png", noise(0, 64, 64, 3))
    content = (tmp_path / "images" / "1.png").read_bytes()
    (tmp_path / "images" / "2.png").write_bytes(content[: len(content) // 2])
    assert "'2.png' (truncated)" in see().problem


def test_a_folder_of_broken_files_and_links_and_pipes_is_wrong_data(tmp_path, see):
    folder = tmp_path / "images"
    (folder / "empty.png").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "out.png").symlink_to("/etc/passwd")
    with pytest.raises(ImageDataError, match=r"none of the image files .* read, 3 of 3: '"):
        see()


def test_a_folder_of_links_or_damaged_archives_alone_is_wrong_data(tmp_path, see):
    (tmp_path / "images" / "out.png").symlink_to("/etc/passwd")
    with pytest.raises(ImageDataError, match=r"files can be read, 1 of 1: 'out\.png' \(link"):
        see()
    (tmp_path / "images" / "out.png").unlink()
    (tmp_path / "images" / "a.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(ImageDataError, match=r"none of the image files .* 1 of 1: 'a\.tar' \("):
        see()


def test_a_folder_without_images_is_wrong_data(see):
    with pytest.raises(ImageDataError, match="no image files below this folder"):
        see()


def test_an_image_above_max_pixels_is_not_decoded(save, see):
    save("1.png", noise(0, 8, 8, 3))
    save("2.png", noise(0, 20, 20, 3))
    seen = see(max_pixels=100)
    assert (seen.largest, seen.problem) == (8, "'2.png' (more than max_pixels 100)")


def test_of_large_images_as_many_are_decoded_as_time_allows(save, see, monkeypatch):
    for i in range(10):
        save(f"{i}.png", noise(i, 10, 10))
    decoded, decode = [], looking.decode
    monkeypatch.setattr(looking, "decode", lambda *args: decoded.append(1) or decode(*args))
    for least, most, expected in ((1, 350, 3), (1, 1, 1), (5, 350, 5)):
        monkeypatch.setattr(looking, "MIN_DECODED", least)
        monkeypatch.setattr(looking, "MAX_DECODED", most)
        decoded.clear()
        assert see().gray
        assert len(decoded) == expected


def test_small_gray_images_do_not_decide_for_large_ones_in_color(save, see, monkeypatch):
    monkeypatch.setattr(looking, "MAX_DECODED", 3000)
    monkeypatch.setattr(looking, "MIN_DECODED", 2)
    for i in range(200):
        save(f"{i:03}.png", noise(i, 4, 4) if i % 5 else noise(i, 50, 50, 3))
    assert not see().gray


def test_a_single_large_gray_image_does_not_decide_for_all(save, see, monkeypatch):
    monkeypatch.setattr(looking, "MAX_DECODED", 100)
    save("0.png", noise(0, 10, 10))
    for i in range(1, 10):
        save(f"{i}.png", noise(i, 10, 10, 3))
    assert not see().gray


@pytest.mark.parametrize(
    ("mode", "least", "gray"),
    [("RGB", 5, False), ("RGB", 3, True), ("L", 5, True), ("LA", 5, True)],
)
def test_few_decoded_images_decide_for_gray_only_if_the_headers_say_so(
    save, see, monkeypatch, mode, least, gray
):
    monkeypatch.setattr(looking, "MAX_DECODED", 350)
    monkeypatch.setattr(looking, "MIN_DECODED", 1)
    monkeypatch.setattr(looking, "MIN_GRAY", least)
    for i in range(10):
        save(f"{i}.png", Image.fromarray(noise(i, 10, 10)).convert(mode))
    assert see().gray == gray


def test_files_in_pairs_are_both_in_the_sample(save, see, monkeypatch):
    monkeypatch.setattr(looking, "SAMPLE", 20)
    for i in range(40):
        side = 32 if i % 2 else 8
        save(f"{i:02}.png", noise(i, side, side))
    seen = see()
    assert (seen.smallest, seen.largest, len(seen.sizes)) == (8, 32, 20)


def test_of_large_images_the_damaged_ones_count_among_those_that_were_decoded(
    tmp_path, save, see, monkeypatch
):
    monkeypatch.setattr(looking, "MAX_DECODED", 1)
    monkeypatch.setattr(looking, "MIN_DECODED", 10)
    for i in range(40):
        save(f"{i:02}.png", noise(i, 64, 64, 3))
    files = sorted((tmp_path / "images").iterdir())
    files[0].write_bytes(files[0].read_bytes()[:5000])
    assert see().readable >= 0.97  # one of ten shows no share
    for file in files[::2]:
        file.write_bytes(file.read_bytes()[:5000])
    assert see().readable <= 0.8


def test_links_to_folders_are_counted(tmp_path, save, see):
    save("dogs/1.png", noise(0, 8, 8, 3))
    (tmp_path / "cats").mkdir()
    (tmp_path / "images" / "cats").symlink_to(tmp_path / "cats")
    (tmp_path / "images" / "latest").symlink_to(tmp_path / "cats")
    assert see().describe().endswith("; not followed: 2 links to folders")


def test_a_link_to_the_newest_span_leaves_the_others_spans(tmp_path, save, see):
    for span in (1, 2):
        save(f"span-{span}/1.png", noise(span, 8, 8, 3))
    (tmp_path / "images" / "latest").symlink_to("span-2")
    assert see().spans == "span-{SPAN}"


def test_only_the_spans_of_the_window_are_looked_at(save, see):
    for span, side in ((1, 8), (2, 16), (3, 32)):
        save(f"span-{span}/1.png", noise(span, side, side, 3))
    seen = see(pattern="span-{SPAN}", window=2)
    assert (seen.files, seen.smallest, seen.classes) == (2, 16, {})


def test_images_in_archives_are_looked_at_like_files(tmp_path, save, see):
    for i, name in enumerate(["cats/1.png", "dogs/2.png", "3.png"]):
        save(name, noise(i, 10 + 10 * i, 10 + 10 * i, 3))
    folder = tmp_path / "images"
    with tarfile.open(folder / "a.tar", "w") as tar:
        for name in ("cats", "dogs"):
            tar.add(folder / name, name)
    content = (folder / "3.png").read_bytes()
    table = pa.table({"image": [{"bytes": content}] * 40, "label": ["birds"] * 40})
    pq.write_table(table, folder / "b.parquet")
    for name in ("cats/1.png", "dogs/2.png", "3.png"):
        (folder / name).unlink()
    seen = see()
    assert (seen.files, seen.readable) == (42, 1)
    assert seen.classes.keys() == {"birds", "cats", "dogs"}
    assert seen.have_classes
    assert " in 3 classes" in seen.describe()
    assert (seen.smallest, seen.median, seen.largest) == (10, 30, 30)


def test_of_upright_and_landscape_pictures_the_shorter_sides_are_stated(save, see):
    for i in range(8):
        save(f"{i}.png", noise(i, *((60, 90) if i % 2 else (90, 60)), 3))
    assert see().describe().startswith("8 color pictures with shorter sides of 60 pixels, half of")
