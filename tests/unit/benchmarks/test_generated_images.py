"""The generated images are different ones, and the same in every call."""

import hashlib

import pytest
from PIL import Image

from benchmarks import generated


def test_they_are_different_images_and_the_same_in_every_call(tmp_path, monkeypatch):
    monkeypatch.setattr(generated, "PER_FOLDER", 20)
    for name in ("one", "two"):
        generated.write_jpegs(tmp_path / name, 50)
    found = [sorted((tmp_path / name).rglob("*.jpg")) for name in ("one", "two")]
    names = [
        [str(file.relative_to(tmp_path / name)) for file in files]
        for name, files in zip(("one", "two"), found, strict=True)
    ]
    assert names[0] == names[1]
    assert len({path.split("/")[0] for path in names[0]}) == 3
    one, two = ([file.read_bytes() for file in files] for files in found)
    assert one == two
    pixels = {hashlib.sha256(Image.open(file).tobytes()).digest() for file in found[0]}
    assert len(pixels) == 50
    assert Image.open(found[0][0]).size == (generated.SIDE, generated.SIDE)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_plain_loop_reads_every_file_once(tmp_path, processes):
    generated.write_jpegs(tmp_path / "images", 3)
    files = sorted((tmp_path / "images").rglob("*.jpg"))
    seconds, processor = generated.pillow_loops(files, processes, encode=True)
    assert 0 < processor < seconds * processes
    files.append(tmp_path / "missing.jpg")
    with pytest.raises(FileNotFoundError):
        generated.pillow_loops(files, processes, encode=False)
