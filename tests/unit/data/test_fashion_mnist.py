import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.fashion_mnist import CLASSES, write

PARTS = {"train": 12, "t10k": 5}


def idx(array, kind=0x08):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, kind, array.ndim)) + shape + array.tobytes()


def images(count, side=28):
    return np.random.default_rng(count).integers(0, 256, (count, side, side), np.uint8)


def labels(count):
    return np.arange(count, dtype=np.uint8) % 10


@pytest.fixture(params=["gzipped", "plain"])
def source(request, tmp_path):
    """A folder with the four files, and a function that replaces one of them."""
    folder = tmp_path / "source"
    folder.mkdir()

    def put(name, content):
        if request.param == "gzipped":
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)

    for part, count in PARTS.items():
        put(f"{part}-images-idx3-ubyte", idx(images(count)))
        put(f"{part}-labels-idx1-ubyte", idx(labels(count)))
    return folder, put


def test_both_parts_are_written_as_gray_pngs_in_class_folders(tmp_path, source, files_in):
    target = tmp_path / "target"
    assert write(target, str(source[0])) == 17
    assert len(files_in(target)) == 17
    for part, count in PARTS.items():
        for index, pixels in enumerate(images(count)):
            with Image.open(target / f"{CLASSES[index % 10]}/{part}_{index:05d}.png") as image:
                assert image.mode == "L"
                assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"", "magic number is missing, expected 00000803"),
        ("train-images-idx3-ubyte", idx(labels(12)), "magic number is 00000801, expected 00000803"),
        ("train-images-idx3-ubyte", idx(images(12), 0x0D), "magic number is 00000d03"),
        ("train-labels-idx1-ubyte", idx(images(12)), "magic number is 00000803, expected 00000801"),
        ("t10k-images-idx3-ubyte", idx(images(5, 32)), r"dimensions are \(5, 32, 32\)"),
        ("t10k-images-idx3-ubyte", idx(images(5))[:9], "truncated"),
        ("t10k-images-idx3-ubyte", idx(images(5))[:-1], "is truncated: 3920 bytes expected"),
        ("t10k-images-idx3-ubyte", idx(images(5)) + b"\0", "has trailing data"),
        ("t10k-labels-idx1-ubyte", idx(labels(4)), "4 labels for 5 images"),
        ("t10k-labels-idx1-ubyte", idx(labels(5) + 8), "label 2 is 10, expected 0 to 9"),
        (
            "train-images-idx3-ubyte",
            bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**32 - 1, 28, 28),
            r"dimensions are \(4294967295, 28, 28\), expected at most \(60000, 28, 28\)",
        ),
    ],
)
def test_an_invalid_idx_file_is_a_one_line_error_and_nothing_is_written(
    tmp_path, source, name, content, message
):
    folder, put = source
    put(name, content)
    with pytest.raises(DataError, match=message) as error:
        write(tmp_path / "target", str(folder))
    assert "\n" not in str(error.value)
    assert name in str(error.value)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("source", ["gzipped"], indirect=True)
@pytest.mark.parametrize("keep", [8, 100])
def test_a_truncated_gzip_file_is_a_one_line_error(tmp_path, source, keep):
    path = source[0] / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is truncated or damaged"):
        write(tmp_path / "target", str(source[0]))


@pytest.mark.parametrize("source", ["gzipped"], indirect=True)
def test_a_damaged_gzip_file_is_a_one_line_error(tmp_path, source):
    path = source[0] / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[10] = 0xFF  # the first byte after the header: an invalid block type
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is truncated or damaged"):
        write(tmp_path / "target", str(source[0]))


@pytest.mark.parametrize("source", ["gzipped"], indirect=True)
def test_a_file_that_is_not_gzipped_despite_its_name_is_a_one_line_error(tmp_path, source):
    (source[0] / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(labels(5)))
    with pytest.raises(DataError, match="truncated or damaged"):
        write(tmp_path / "target", str(source[0]))


def test_a_missing_file_is_reported(tmp_path, source):
    for path in source[0].glob("t10k-labels*"):
        path.unlink()
    with pytest.raises(DataError, match=r"no file t10k-labels-idx1-ubyte or t10k-labels-idx1-"):
        write(tmp_path / "target", str(source[0]))


def test_a_missing_folder_is_reported_with_what_to_install(tmp_path):
    with pytest.raises(DataError, match="install the Debian package dataset-fashion-mnist"):
        write(tmp_path / "target", str(tmp_path / "nowhere"))
