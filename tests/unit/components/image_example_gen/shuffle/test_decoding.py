import itertools
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.image_example_gen.example import split_of
from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.decoding import DecodeParts
from components.image_example_gen.shuffle.earlier import file_keys, find_known
from components.image_example_gen.shuffle.parts import Part, list_parts
from components.image_example_gen.shuffle.rows import read_rows, unpack
from components.image_example_gen.shuffle.shards import WriteShards
from components.image_example_gen.shuffle.taking_over import TakenOver, TakeOver
from components.image_example_gen.spans import ImageSource

USES = ["train", "eval", "in_holdout", "rejected"]


def decode(folder, part, partial):
    """Decodes a part; returns the rows of its file, and the rejected files."""
    fn = DecodeParts([ImageSource(str(folder))], ImageOptions(), "", USES, str(partial))
    fn.setup()
    name, *outputs = fn.process(part)
    fn.teardown()
    rows = list(unpack(read_rows(str(partial / name)).packed))
    return rows, [each.value for each in outputs if each.tag == "rejected"]


def one_part(files, partial):
    """The part of a few files."""
    partial.mkdir(exist_ok=True)
    keys = keys_of(files)
    (part,) = list_parts([files], keys, np.zeros(len(files), bool), 64, str(partial))
    return part


def keys_of(files, code=""):
    return file_keys(files, ("images", ""), ImageOptions(), code)


def known_from(killed, files, partial, code=""):
    partial.mkdir(exist_ok=True)
    return find_known(keys_of(files, code), [str(killed.parent)], str(partial))


def decode_one(folder, path, partial):
    rows, rejected = decode(folder, one_part([ImageFile(path, 1, 1)], partial), partial)
    assert not rows
    return rejected


@pytest.fixture
def images(tmp_path, noise):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(3):
        noise(seed, 64, 64).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def killed(tmp_path):
    """The folder of the parts of a run that was killed."""
    folder = tmp_path / "killed" / ".partial"
    folder.mkdir(parents=True)
    return folder


def listed(folder):
    return [ImageFile(path.name, path.stat().st_size, 1) for path in sorted(folder.iterdir())]


def test_a_file_without_permission_is_rejected_with_that_reason(
    open_to_all, unprivileged, noise, tmp_path
):
    noise(0).save(open_to_all / "x.png")
    (open_to_all / "x.png").chmod(0)
    partial = open_to_all / "partial"
    partial.mkdir()
    partial.chmod(0o777)
    with unprivileged():
        rejected = decode_one(open_to_all, "x.png", partial)
    assert rejected == [("x.png", "cannot be read (Permission denied)")]


def test_a_file_that_vanished_after_the_listing_is_rejected(tmp_path):
    reason = "cannot be read (No such file or directory)"
    partial = tmp_path / "partial"
    assert decode_one(tmp_path, "x.png", partial) == [("x.png", reason)]


def test_what_a_killed_run_decoded_is_taken_over_without_its_images(images, killed, tmp_path):
    (images / "text.png").write_bytes(b"no image")
    files = listed(images)
    first, rejected = decode(images, one_part(files, killed), killed)
    assert rejected == [("text.png", "not an image")]
    for path in images.iterdir():
        path.unlink()
    take_over = TakeOver(known_from(killed, files, tmp_path / "next"), ImageOptions(), "", USES)
    take_over.add(ImageSource(str(images)), files, by_span=True)
    assert take_over.rejected == rejected
    assert take_over.counts == {
        ("reasons", "not an image"): 1,
        ("accepted", "0"): 3,
        ("rejected", "0"): 1,
    }
    taken = take_over.write([(0, 1)], str(tmp_path / "next"))
    rows = list(unpack(read_rows(str(tmp_path / "next" / taken.parts[0, 1])).packed))
    assert [row._replace(file=0) for row in rows] == first
    (name,) = taken.files.values()
    (examples,) = killed.glob("*.part")
    assert (tmp_path / "next" / name).read_bytes() == examples.read_bytes()


def test_rows_that_are_taken_over_are_in_the_file_of_their_group_of_shards(
    images, killed, tmp_path
):
    files = listed(images)
    first, _ = decode(images, one_part(files, killed), killed)
    take_over = TakeOver(known_from(killed, files, tmp_path / "next"), ImageOptions(), "", USES)
    take_over.add(ImageSource(str(images)), files, by_span=True)
    groups = [(0, 2), (2, 16), (16, 256)]
    taken = take_over.write(groups, str(tmp_path / "next"))
    for (begin, end), name in taken.parts.items():
        rows = list(unpack(read_rows(str(tmp_path / "next" / name)).packed))
        expected = [row for row in first if begin <= row.sha256[0] < end]
        assert [row._replace(file=0) for row in rows] == expected
    assert list(taken.parts) == groups


def test_nothing_is_written_where_nothing_is_known(images, tmp_path, killed):
    files = listed(images)
    take_over = TakeOver(known_from(killed, files, tmp_path / "next"), ImageOptions(), "", USES)
    take_over.add(ImageSource(str(images)), files, by_span=True)
    assert take_over.write([(0, 1)], str(tmp_path / "next")) == TakenOver()
    assert not list((tmp_path / "next").iterdir())


def test_a_part_that_was_written_in_half_or_removed_meanwhile_is_decoded_again(
    images, killed, tmp_path
):
    files = listed(images)
    first, _ = decode(images, one_part(files, killed), killed)
    (file,) = killed.glob("*.part")
    content = file.read_bytes()
    half = len(content) // 2
    changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    for damaged in (content[:half], b"", b"\0" * len(content), changed, None):
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        assert not known_from(killed, files, tmp_path / "next").found.any()
        assert decode(images, one_part(files, tmp_path / "next"), tmp_path / "next") == (first, [])


@pytest.mark.parametrize("change", ["size", "time", "name", "code"])
def test_an_example_is_used_again_for_the_same_file_and_code_only(images, killed, tmp_path, change):
    files = listed(images)
    decode(images, one_part(files, killed), killed)
    file = files[1]
    files[1] = {
        "size": ImageFile(file.path, file.size + 1, file.mtime_ns),
        "time": ImageFile(file.path, file.size, file.mtime_ns + 1),
        "name": ImageFile("10.png", file.size, file.mtime_ns),
        "code": file,
    }[change]
    code = "new" if change == "code" else ""
    found = known_from(killed, files, tmp_path / "next", code).found.tolist()
    assert found == ([False] * 3 if change == "code" else [True, False, True])


@pytest.mark.parametrize(
    "change",
    [
        {"path": "a.tar/y.png"},
        {"path": "b.tar/x.png"},
        {"size": 2},
        {"mtime_ns": 2},
        {"entry": 11},
        {"offset": 1024},
        {"label": "cat"},
        {"archive_size": 2},
        {"span": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_of_an_image_in_an_archive_has_all_that_tells_it_from_others(change):
    file = ImageFile("a.tar/x.png", 1, 1, entry=5, offset=512, archive_size=1)
    keys = keys_of([file, file, replace(file, **change)]).tolist()
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "file",
    [
        ImageFile("9.png", 1, 1),
        ImageFile("9.tar/x.png", 1, 1, entry=5, archive_size=1),  # there is no such archive
        ImageFile("a.tar/x.png", 1, 1, entry=5, archive_size=1),  # it has changed meanwhile
    ],
    ids=lambda file: file.path,
)
def test_what_could_not_be_read_is_tried_again(images, killed, tmp_path, file):
    files = [*listed(images), file]
    (images / "a.tar").write_bytes(b"changed")
    decode(images, one_part(files, killed), killed)
    known = known_from(killed, files, tmp_path / "next")
    assert known.found.tolist() == [True, True, True, False]


def test_the_examples_of_a_part_are_in_the_order_of_their_hashes(images, killed):
    rows, _ = decode(images, one_part(listed(images), killed), killed)
    assert rows == sorted(rows)
    for one, other in itertools.pairwise(rows):
        assert one.offset + one.size == other.offset


def test_the_list_of_a_part_gives_the_files_back(tmp_path):
    files = [ImageFile("a/ž\n.png", 2**40, 2**60, "", 3, "a"), ImageFile("x", problem="no file")]
    part = one_part(files, tmp_path / "partial")
    assert [member.file for member in part.members()] == files
    assert json.loads(Path(part.listing).read_text(encoding="ascii"))


def test_the_functions_of_the_pipeline_pickle_for_workers():
    fn = pickle.loads(pickle.dumps(DecodeParts([ImageSource("x")], ImageOptions(), "", USES, "")))
    write = WriteShards("output", {"train": "x"}, USES, "partial", TakenOver(), 3, split_of)
    part = Part(0, 1, "list")
    assert isinstance(pickle.loads(pickle.dumps(fn)), DecodeParts)
    assert isinstance(pickle.loads(pickle.dumps(write)), WriteShards)
    assert pickle.loads(pickle.dumps(part)) == part
