import numpy as np
import pytest
from scipy.io import savemat

from data import flowers102
from data.errors import DataError
from data.flowers102 import ARCHIVE, CHECKSUMS, LABELS, write

IMAGES = [(f"jpg/image_{number:05d}.jpg", b"jpeg %d" % number) for number in range(1, 5)]
WRITTEN = {
    "077/image_00001.jpg": b"jpeg 1",
    "001/image_00002.jpg": b"jpeg 2",
    "102/image_00003.jpg": b"jpeg 3",
    "001/image_00004.jpg": b"jpeg 4",
}


@pytest.fixture
def published(tmp_path, make_tar, checksum_of, monkeypatch):
    """A folder with both files."""
    folder = tmp_path / "published" / "102"
    folder.mkdir(parents=True)
    make_tar(folder / ARCHIVE, IMAGES)
    savemat(folder / LABELS, {"labels": np.array([[77, 1, 102, 1]], np.uint8)})
    checksums = {name: checksum_of(folder / name) for name in (ARCHIVE, LABELS)}
    monkeypatch.setattr(flowers102, "CHECKSUMS", checksums)
    return folder


@pytest.mark.parametrize("base", ["102", "102/"])
def test_images_downloaded_from_a_server_are_written_to_class_folders(
    tmp_path, published, serve, files_in, base
):
    assert write(tmp_path / "target", f"{serve(published.parent)}/{base}") == 4
    assert files_in(tmp_path / "target") == WRITTEN


def test_a_local_folder_gives_the_same_images(tmp_path, published, files_in):
    assert write(tmp_path / "target", f"{published}/") == 4
    assert files_in(tmp_path / "target") == WRITTEN


def test_a_second_write_completes_a_half_written_folder(tmp_path, published, files_in):
    target = tmp_path / "target"
    (target / "001").mkdir(parents=True)
    (target / "001/image_00002.jpg").write_bytes(b"jp")
    (target / "001/mine.txt").write_bytes(b"mine")
    assert write(target, str(published)) == 4
    assert files_in(target) == WRITTEN | {"001/mine.txt": b"mine"}


@pytest.mark.parametrize("name", [ARCHIVE, LABELS])
def test_files_other_than_the_published_are_rejected(tmp_path, published, name, monkeypatch):
    monkeypatch.setitem(flowers102.CHECKSUMS, name, CHECKSUMS[name])
    with pytest.raises(DataError, match=f"{name} is damaged or a different file: its md5"):
        write(tmp_path / "target", str(published))
    assert not (tmp_path / "target").exists()
