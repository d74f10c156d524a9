import io

import numpy as np
import pytest
from PIL import Image

from data.celeba64 import CHECKSUM, write
from data.errors import DataError

LEFT, TOP, SIDE = 19, 39, 140  # the crop, in pixels


def encoded(pixels, kind="JPEG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=100, subsampling=0)
    return buffer.getvalue()


def ramp(axis):
    """Makes an image whose pixel values are their rows (axis 0) or columns (axis 1)."""
    return np.repeat(np.indices((218, 178), np.uint8)[axis][..., None], 3, axis=2)


def striped():
    """Makes an image of alternating black and white columns of one pixel."""
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[:, ::2] = 255
    return pixels


@pytest.fixture
def publish(tmp_path, make_zip):
    def make(**images):
        members = [(f"img_align_celeba/{name}.jpg", content) for name, content in images.items()]
        return make_zip(tmp_path / "img_align_celeba.zip", [("img_align_celeba/", b""), *members])

    return make


def written(path):
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))
        return np.asarray(image).astype(int)


def test_faces_from_a_server_are_cropped_to_the_central_140_pixels(
    tmp_path, publish, serve, checksum_of, files_in
):
    archive = publish(**{"000001": encoded(ramp(0)), "202599": encoded(ramp(1))})
    url = f"{serve(tmp_path)}/{archive.name}"
    assert write(tmp_path / "target", url, checksum_of(archive)) == 2
    assert set(files_in(tmp_path / "target")) == {"000001.png", "202599.png"}
    for axis, name, start in ((0, "000001", TOP), (1, "202599", LEFT)):
        face = written(tmp_path / f"target/{name}.png")
        profile = face.mean(axis=(1 - axis, 2))[2:-2]  # the filter distorts the ends
        slope, first = np.polyfit(np.arange(2, 62) + 0.5, profile, 1)
        assert slope * 64 == pytest.approx(SIDE, abs=0.5)
        assert first + 0.5 == pytest.approx(start, abs=0.25)  # a value is at a pixel's center


def test_the_resize_is_antialiased(tmp_path, publish, checksum_of):
    archive = publish(**{"000001": encoded(striped())})
    write(tmp_path / "target", str(archive), checksum_of(archive))
    assert np.abs(written(tmp_path / "target/000001.png") - 127.5).max() < 40


def test_a_second_write_completes_a_half_written_folder(tmp_path, publish, checksum_of, files_in):
    archive = publish(**{"000001": encoded(ramp(0)), "000002": encoded(striped())})
    target = tmp_path / "target"
    write(target, str(archive), checksum_of(archive))
    whole = files_in(target)
    (target / "000001.png").write_bytes(whole["000001.png"][:50])
    (target / "000002.png").unlink()
    (target / "mine.txt").write_bytes(b"mine")
    assert write(target, str(archive), checksum_of(archive)) == 2
    assert files_in(target) == whole | {"mine.txt": b"mine"}


def test_an_archive_other_than_the_published_is_rejected(tmp_path, publish):
    archive = publish(**{"000001": encoded(ramp(0))})
    with pytest.raises(DataError, match=CHECKSUM.removeprefix("md5:")):
        write(tmp_path / "target", str(archive))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        encoded(ramp(0))[:2000],
        encoded(ramp(0), "PNG"),
        encoded(np.zeros((218, 179, 3), np.uint8)),
    ],
    ids=["empty", "text", "truncated", "PNG", "another size"],
)
def test_an_image_that_is_not_an_aligned_jpeg_is_reported_in_one_line(
    tmp_path, publish, checksum_of, content
):
    archive = publish(**{"000001": content})
    with pytest.raises(DataError, match=r"img_align_celeba/000001\.jpg is not an aligned") as error:
        write(tmp_path / "target", str(archive), checksum_of(archive))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "target").exists()


def test_without_a_source_the_error_names_one(tmp_path):
    with pytest.raises(DataError, match=r"needs a source: .*only browsers.*img_align_celeba\.zip"):
        write(tmp_path / "target")
