import json
import re

import pytest

from data import emoji, emoji_groups
from data.emoji_groups import CHECKSUM, TARBALLS, find_group, write
from data.errors import DataError

LISTED = {
    "👋": "People & Body",
    "🏃‍♀️": "People & Body",
    "🧑‍🤝‍🧑": "People & Body",
    "*️⃣": "Symbols",
    "🏴": "Flags",
}
GROUPS = {
    ("1f44b",): "people-body",
    ("1f9d1", "200d", "1f91d", "200d", "1f9d1"): "people-body",
    ("2a", "20e3"): "symbols",
    ("1f3f4",): "flags",
}


@pytest.fixture
def tarballs(tmp_path, make_tar, checksum_of, monkeypatch):
    """A folder with both tarballs, as if they were the published ones."""
    names = ("1f44b.webp", "1f44b-1f3fd.webp", "002a-fe0f-20e3.webp", "1f3c3-200d-2640-fe0f.webp")
    members = [(f"package/assets/{name}", name.encode()) for name in names]
    listed = {each: {"group": group} for each, group in LISTED.items()}
    images = make_tar(tmp_path / TARBALLS[0], members)
    table = make_tar(
        tmp_path / TARBALLS[1], [("package/data-by-emoji.json", json.dumps(listed).encode())]
    )
    monkeypatch.setattr(emoji, "CHECKSUM", checksum_of(images))
    monkeypatch.setattr(emoji_groups, "CHECKSUM", checksum_of(table))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("name", "group"),
    [  # names in the package
        ("1f44b.webp", "people-body"),
        ("1f44b-1f3fd.webp", "people-body"),
        ("0002a-fe0f-20e3.webp", "symbols"),
        ("2a-fe0f-20e3.webp", "symbols"),
        ("1f3f4-e0067_e0062_e0065_e006e_e0067.webp", "flags"),
        ("1f9d1-1f3fb-200d-1f91d-200d-1f9d1-1f3ff.webp", "people-body"),
    ],
)
def test_an_emoji_has_its_group_or_that_of_what_it_is_a_variant_of(name, group):
    assert find_group(name, GROUPS) == group


def test_an_emoji_without_a_group_is_named():
    with pytest.raises(DataError, match=r"no group for 1f600\.webp"):
        find_group("1f600.webp", GROUPS)


def test_the_emoji_are_written_to_the_folders_of_their_groups(tmp_path, tarballs, files_in):
    assert write(tmp_path / "target", tarballs) == 4
    assert files_in(tmp_path / "target") == {
        "people-body/1f44b.webp": b"1f44b.webp",
        "people-body/1f44b-1f3fd.webp": b"1f44b-1f3fd.webp",
        "people-body/1f3c3-200d-2640-fe0f.webp": b"1f3c3-200d-2640-fe0f.webp",
        "symbols/002a-fe0f-20e3.webp": b"002a-fe0f-20e3.webp",
    }


def test_images_without_the_list_of_groups_are_not_written(tmp_path, tarballs):
    (tmp_path / TARBALLS[1]).unlink()
    with pytest.raises(DataError, match=f"no file .*{re.escape(TARBALLS[1])}"):
        write(tmp_path / "target", tarballs)
    assert not (tmp_path / "target").exists()


def test_another_list_than_the_published_one_is_rejected(tmp_path, tarballs, monkeypatch):
    monkeypatch.setattr(emoji_groups, "CHECKSUM", CHECKSUM)
    with pytest.raises(DataError, match=re.escape(CHECKSUM.removeprefix("sha256:"))):
        write(tmp_path / "target", tarballs)
    assert not (tmp_path / "target").exists()


def test_the_group_pattern_finds_the_base_code_point_in_the_folder_of_a_group():
    assert re.search(emoji.GROUP_PATTERN, "people-body/1f44b-1f3fd.webp")[1] == "1f44b"
