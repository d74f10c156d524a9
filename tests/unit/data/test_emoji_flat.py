import json
import re
import sys

import pytest
from PIL import Image

from data import emoji_flat
from data.emoji_flat import CHECKSUM, file_name, write
from data.errors import DataError

SQUARE = '<path fill="#ff0000" d="M8 0h16v32H8z"/>'


@pytest.fixture
def pack(tmp_path, make_tar):
    """Writes the tarball of a package with some icons."""

    def make(icons, names):
        content = {"width": 32, "height": 32, "icons": icons}
        members = [
            ("package/README.md", b"text"),
            ("package/icons.json", json.dumps(content).encode()),
            ("package/chars.json", json.dumps(names).encode()),
        ]
        return make_tar(tmp_path / "flat.tgz", members)

    return make


@pytest.mark.parametrize(
    ("code_points", "name"),
    [  # the names of the 3D package
        ("1f44b", "1f44b"),
        ("1f3c3-1f3fb-200d-2640", "1f3c3-1f3fb-200d-2640-fe0f"),
        ("26f9-200d-2640", "26f9-fe0f-200d-2640-fe0f"),
        ("26f9-1f3fe-200d-2640", "26f9-1f3fe-200d-2640-fe0f"),
        ("1f441-200d-1f5e8", "1f441-fe0f-200d-1f5e8-fe0f"),
        ("2764-200d-1f525", "2764-fe0f-200d-1f525"),
        ("23-20e3", "23-fe0f-20e3"),
        ("a9", "a9-fe0f"),
        ("3030", "3030-fe0f"),
        ("1f202", "1f202-fe0f"),
        ("1f201", "1f201"),
        ("231a", "231a"),
        ("1fae8", "1fae8"),  # newer than Python's database
        ("1f44b-1f3fc", "1f44b-1f3fd"),
        ("1f44b-1f3fd", "1f44b-1f3fc"),
        ("1f9d1-1f3fd-200d-1f4bb", "1f9d1-1f3fd-200d-1f4bb"),
    ],
)
def test_files_are_named_as_those_in_3d(code_points, name):
    assert file_name(code_points) == f"{name}.png"


def test_each_named_icon_is_drawn(tmp_path, pack, checksum_of, files_in, monkeypatch):
    icons = {
        "waving-hand": {"body": SQUARE},
        "swan": {"body": SQUARE, "height": 33},
        "hidden": {"body": SQUARE, "hidden": True},
    }
    tarball = pack(icons, {"1f44b": "waving-hand", "1f9a2": "swan"})
    monkeypatch.setattr(emoji_flat, "CHECKSUM", checksum_of(tarball))
    target = tmp_path / "target"
    assert write(target, str(tarball)) == 2
    files = files_in(target)
    assert sorted(files) == ["1f44b.png", "1f9a2.png"]
    for name in files:
        with Image.open(target / name) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (128, 128))
            assert image.getpixel((64, 64)) == (255, 0, 0, 255)
            assert image.getpixel((16, 64))[3] == 0
    assert write(target, str(tarball)) == 2
    assert files_in(target) == files


def test_a_tarball_other_than_the_published_is_rejected(tmp_path, pack):
    with pytest.raises(DataError, match=re.escape(CHECKSUM.removeprefix("sha256:"))):
        write(tmp_path / "target", str(pack({}, {})))
    assert not (tmp_path / "target").exists()


def test_without_the_library_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DataError, match="resvg-py is missing"):
        write(tmp_path / "target", "http://127.0.0.1:1/flat.tgz")
