import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.folder import encode_png, write_images
from trainer.common import exit_codes

IMAGES = [("a/0.png", b"zero"), ("a/1.png", b"one"), ("b/2.png", b"two")]


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_images_are_written_and_counted(tmp_path, files_in):
    assert write_images(tmp_path / "new" / "folder", iter(IMAGES)) == 3
    assert files_in(tmp_path / "new" / "folder") == dict(IMAGES)


def test_a_second_write_touches_nothing(tmp_path):
    write_images(tmp_path, IMAGES)
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1, 1))
    assert write_images(tmp_path, IMAGES) == 3
    assert set(times(tmp_path).values()) == {10**9}


def test_a_half_written_folder_is_completed_and_correct_files_are_not_touched(tmp_path, files_in):
    write_images(tmp_path, IMAGES)
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1, 1))
    (tmp_path / "a/0.png").unlink()
    (tmp_path / "a/1.png").write_bytes(b"o")
    left = "a/.123-89abcdef.partial"  # by a killed process; hidden files are no images
    (tmp_path / left).write_bytes(b"ze")
    assert write_images(tmp_path, IMAGES) == 3
    assert files_in(tmp_path) == dict(IMAGES) | {left: b"ze"}
    assert [name for name, when in times(tmp_path).items() if when == 10**9] == ["2.png"]


def test_other_files_in_the_folder_are_not_touched(tmp_path, files_in):
    (tmp_path / "a").mkdir()
    mine = {"notes.txt": b"mine", "a/mine.png": b"mine too"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    write_images(tmp_path, IMAGES)
    assert files_in(tmp_path) == dict(IMAGES) | mine


def test_a_failure_between_two_images_keeps_the_first(tmp_path, files_in):
    def failing():
        yield from IMAGES[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="has 2 of 3 images; the same command writes the"):
        write_images(tmp_path, failing(), total=3)
    assert files_in(tmp_path) == dict(IMAGES[:2])


def test_a_file_in_place_of_a_folder_is_a_one_line_error(tmp_path):
    (tmp_path / "a").write_bytes(b"no folder")
    with pytest.raises(DataError, match=r"cannot write .*a/0\.png: ") as error:
        write_images(tmp_path, IMAGES)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == exit_codes.WORKSPACE


def test_a_write_that_fails_is_a_one_line_error_and_leaves_nothing(tmp_path, files_in):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # similar to a full disk
    try:
        with pytest.raises(DataError, match=r"cannot write .*b\.png: File too large"):
            write_images(tmp_path, [("a.png", bytes(1000)), ("b.png", bytes(1001))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files_in(tmp_path) == {"a.png": bytes(1000)}


def test_a_folder_in_place_of_a_file_is_a_one_line_error(tmp_path):
    (tmp_path / "a/0.png").mkdir(parents=True)
    with pytest.raises(DataError, match=r"cannot write .*a/0\.png: Is a directory"):
        write_images(tmp_path, IMAGES)


def test_a_killed_write_leaves_only_complete_images(tmp_path):
    size = 8 << 20
    code = (
        "import itertools, pathlib, sys\n"
        "from data.folder import write_images\n"
        f"images = ((f'{{i}}.png', bytes({size})) for i in itertools.count())\n"
        "write_images(pathlib.Path(sys.argv[1]), images)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 200
    while not (tmp_path / "5.png").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    writer.kill()
    writer.wait()
    written = list(tmp_path.glob("[0-9]*.png"))
    assert len(written) >= 6
    assert {path.stat().st_size for path in written} == {size}


def test_png_keeps_the_pixels(tmp_path):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (tmp_path / "a.png").write_bytes(encode_png(Image.fromarray(pixels)))
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), pixels)
