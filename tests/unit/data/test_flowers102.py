import numpy as np
import pytest
from scipy.io import savemat

from data.errors import DataError
from data.flowers102 import ARCHIVE, CHECKSUMS, LABELS, write

CLASSES = [77, 1, 102, 1]
IMAGES = [(f"jpg/image_{number:05d}.jpg", b"jpeg %d" % number) for number in range(1, 5)]
WRITTEN = {
    "077/image_00001.jpg": b"jpeg 1",
    "001/image_00002.jpg": b"jpeg 2",
    "102/image_00003.jpg": b"jpeg 3",
    "001/image_00004.jpg": b"jpeg 4",
}


@pytest.fixture
def publish(tmp_path, make_tar, checksum_of):
    """Makes both files; returns their folder and their checksums."""

    def make(images=IMAGES, classes=CLASSES):
        folder = tmp_path / "published"
        folder.mkdir()
        make_tar(folder / ARCHIVE, images)
        savemat(folder / LABELS, {"labels": np.array([classes], np.uint8)})
        return folder, {name: checksum_of(folder / name) for name in (ARCHIVE, LABELS)}

    return make


def test_images_downloaded_from_a_server_are_written_to_class_folders(
    tmp_path, publish, serve, files_in
):
    folder, checksums = publish()
    assert write(tmp_path / "target", serve(folder), checksums) == 4
    assert files_in(tmp_path / "target") == WRITTEN


def test_a_base_url_may_end_in_a_slash(tmp_path, publish, serve_with):
    folder, checksums = publish()
    files = {f"/flowers/{name}": (folder / name).read_bytes() for name in checksums}
    base = serve_with(lambda path, host: ({"Connection": "close"}, files.get(path, b"")))
    assert write(tmp_path / "target", f"{base}/flowers/", checksums) == 4


def test_a_local_folder_gives_the_same_images(tmp_path, publish, files_in):
    folder, checksums = publish()
    assert write(tmp_path / "target", f"{folder}/", checksums) == 4
    assert files_in(tmp_path / "target") == WRITTEN


def test_a_second_write_completes_a_half_written_folder(tmp_path, publish, files_in):
    folder, checksums = publish()
    target = tmp_path / "target"
    (target / "001").mkdir(parents=True)
    (target / "001/image_00002.jpg").write_bytes(b"jp")
    (target / "001/mine.txt").write_bytes(b"mine")
    assert write(target, str(folder), checksums) == 4
    assert files_in(target) == WRITTEN | {"001/mine.txt": b"mine"}


@pytest.mark.parametrize("name", [ARCHIVE, LABELS])
def test_files_other_than_the_published_are_rejected(tmp_path, publish, name):
    folder, checksums = publish()
    with pytest.raises(DataError, match=f"{name} is damaged or a different file: its md5"):
        write(tmp_path / "target", str(folder), checksums | {name: CHECKSUMS[name]})
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("images", "classes", "message"),
    [
        (IMAGES, CLASSES[:3], r"no label for jpg/image_00004\.jpg; found 3 labels"),
        (IMAGES[:3], CLASSES, "has 3 images for 4 labels"),
        ([("jpg/image_00000.jpg", b""), *IMAGES[1:]], CLASSES, "no label for jpg/image_00000"),
        (IMAGES, [*CLASSES[:3], 103], "labels must be from 1 to 102"),
        (IMAGES, [*CLASSES[:3], 0], "labels must be from 1 to 102"),
        ([*IMAGES, ("../image_00001.jpg", b"evil")], CLASSES, "is outside the folder"),
    ],
)
def test_images_and_labels_that_do_not_match_are_a_one_line_error(
    tmp_path, publish, images, classes, message
):
    folder, checksums = publish(images, classes)
    with pytest.raises(DataError, match=message) as error:
        write(tmp_path / "target", str(folder), checksums)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no MATLAB file" * 100, b"\0" * 200])
def test_an_invalid_labels_file_is_a_one_line_error(tmp_path, publish, checksum_of, content):
    folder, checksums = publish()
    (folder / LABELS).write_bytes(content)
    checksums[LABELS] = checksum_of(folder / LABELS)
    with pytest.raises(DataError, match="not a MATLAB file with labels") as error:
        write(tmp_path / "target", str(folder), checksums)
    assert "\n" not in str(error.value)
