import gzip
import hashlib
import struct

import numpy as np
import pytest
from PIL import Image

from data import fashion_mnist
from data.errors import DataError
from data.fashion_mnist import CHECKSUMS, CLASSES, write

PARTS = {"train": 12, "t10k": 5}


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + shape + array.tobytes()


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)


def labels(count):
    return np.arange(count, dtype=np.uint8) % 10


@pytest.fixture(params=["gzipped", "plain"])
def source(request, tmp_path, monkeypatch):
    """A folder with the four files, as if they were the published ones."""
    folder = tmp_path / "source"
    folder.mkdir()
    for part, count in PARTS.items():
        for kind, array in (("images-idx3", images(count)), ("labels-idx1", labels(count))):
            name, content = f"{part}-{kind}-ubyte", idx(array)
            monkeypatch.setitem(CHECKSUMS, name, hashlib.sha256(content).hexdigest())
            if request.param == "gzipped":
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


def test_both_parts_are_written_as_gray_pngs_in_class_folders(tmp_path, source, files_in):
    target = tmp_path / "target"
    assert write(target, str(source)) == 17
    assert len(files_in(target)) == 17
    for part, count in PARTS.items():
        for index, pixels in enumerate(images(count)):
            with Image.open(target / f"{CLASSES[index % 10]}/{part}_{index:05d}.png") as image:
                assert image.mode == "L"
                assert np.array_equal(np.asarray(image), pixels)


def test_a_file_other_than_the_published_is_a_one_line_error_and_nothing_is_written(
    tmp_path, source, monkeypatch
):
    monkeypatch.setitem(CHECKSUMS, "t10k-labels-idx1-ubyte", "00")
    with pytest.raises(DataError, match=r"t10k-labels.* is damaged or a different file") as error:
        write(tmp_path / "target", str(source))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("source", ["gzipped"], indirect=True)
@pytest.mark.parametrize("damage", ["truncated", "no block", "not gzipped"])
def test_a_damaged_gzip_file_is_a_one_line_error(tmp_path, source, damage):
    path = source / "train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:100],
            "no block": content[:10] + b"\xff" + content[11:],  # after the header: no such type
            "not gzipped": b"plain",
        }[damage]
    )
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is truncated or damaged"):
        write(tmp_path / "target", str(source))


def test_a_missing_file_is_reported(tmp_path, source):
    for path in source.glob("t10k-labels*"):
        path.unlink()
    with pytest.raises(DataError, match=r"no file t10k-labels-idx1-ubyte or t10k-labels-idx1-"):
        write(tmp_path / "target", str(source))


@pytest.mark.parametrize("given", ["named", "default"])
def test_a_missing_folder_is_reported_with_what_to_install(tmp_path, monkeypatch, given):
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", nowhere)
    with pytest.raises(DataError, match="install the Debian package dataset-fashion-mnist"):
        write(tmp_path / "target", nowhere if given == "named" else None)
