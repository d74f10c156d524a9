import io
import json
import subprocess
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.programs import find_program
from trainer.common import xmp
from trainer.serving import png

WEIGHTS = "0123456789abcdef"


@pytest.fixture(scope="module")
def encode():
    return tf.function(lambda images: png.encode(images, WEIGHTS))


def chunks(file):
    """The types, contents and checksums of a PNG's chunks."""
    place = 8
    while place < len(file):
        length = int.from_bytes(file[place : place + 4], "big")
        kind, content = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        yield kind, content, int.from_bytes(file[place + 8 + length : place + 12 + length], "big")
        place += 12 + length


def described(file):
    with Image.open(io.BytesIO(file)) as image:
        return image.getxmp()["xmpmeta"]["RDF"]["Description"]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_file_names_its_model_and_keeps_its_pixels(encode, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 5, 7, channels), np.uint8)
    files = encode(tf.constant(images)).numpy()
    for file, image in zip(files, images, strict=True):
        found = described(file)
        assert found["DigitalSourceType"] == xmp.SOURCE_TYPE
        assert found["weights"] == WEIGHTS
        np.testing.assert_array_equal(Image.open(io.BytesIO(file)), image.squeeze())


def test_every_checksum_is_right(encode):
    (file,) = encode(tf.zeros([1, 1, 1, 3], tf.uint8)).numpy()
    found = list(chunks(file))
    assert [kind for kind, _, _ in found] == [b"IHDR", b"iTXt", b"IDAT", b"IEND"]
    assert all(zlib.crc32(kind + content) == crc for kind, content, crc in found)


def test_no_images_are_no_files(encode):
    assert encode(tf.zeros([0, 2, 2, 1], tf.uint8)).shape == (0,)


def test_exiftool_reads_the_mark_and_finds_no_fault(encode, tmp_path):
    (file,) = encode(tf.zeros([1, 2, 2, 3], tf.uint8)).numpy()
    (tmp_path / "image.png").write_bytes(file)
    exiftool = find_program("exiftool", "libimage-exiftool-perl")
    command = [exiftool, "-json", "-validate", "-warning", "-XMP:all", tmp_path / "image.png"]
    (found,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert found["Validate"] == "OK"
    assert "Warning" not in found
    assert found["DigitalSourceType"] == xmp.SOURCE_TYPE
    assert found["Weights"] == WEIGHTS
