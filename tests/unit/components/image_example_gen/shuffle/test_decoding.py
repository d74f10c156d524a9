import itertools
import json
import os
import pickle
from pathlib import Path

import pytest
from PIL import Image

from components.image_example_gen.files import ImageFile
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.decoding import DecodeParts
from components.image_example_gen.shuffle.parts import Part, find_parts, list_parts, unpack
from components.image_example_gen.shuffle.shards import WriteShard
from components.image_example_gen.spans import ImageSource

USES = ["train", "eval", "omitted"]


def decode(folder, part, partial):
    """Decodes a part; returns the rows with the names of their files, and the rejected files."""
    fn = DecodeParts([ImageSource(str(folder))], ImageOptions(), "", USES, str(partial), 1)
    fn.setup()
    outputs = list(fn.process(part))
    fn.teardown()
    rows = [(row, name) for _, (name, packed) in filter(is_main, outputs) for row in unpack(packed)]
    return rows, [each.value for each in outputs if getattr(each, "tag", "") == "rejected"]


def is_main(output):
    return isinstance(output, tuple)


def one_part(files, partial, found=()):
    """The part of a few files."""
    partial.mkdir(exist_ok=True)
    (part,) = list_parts([files], 64, str(partial), [["code"]], find_parts(map(str, found)))
    return part


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
    assert decode_one("ram://vanished", "x.png", partial) == [("x.png", "cannot be read")]


def test_what_a_killed_run_decoded_is_taken_over_without_its_images(images, tmp_path):
    files = listed(images)
    first = decode(images, one_part(files, tmp_path / "killed"), tmp_path / "killed")
    for path in images.iterdir():
        path.unlink()
    part = one_part(files, tmp_path / "next", [tmp_path / "gone", tmp_path / "killed"])
    assert decode(images, part, tmp_path / "next") == first
    ((_, name), *_) = first[0]
    taken = (tmp_path / "next" / name).read_bytes()
    assert taken == (tmp_path / "killed" / name).read_bytes()


def test_a_part_that_was_written_in_half_or_removed_meanwhile_is_decoded_again(images, tmp_path):
    files = listed(images)
    first, _ = decode(images, one_part(files, tmp_path / "killed"), tmp_path / "killed")
    (file,) = (tmp_path / "killed").glob("*.part")
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\0" * len(content), None):
        part = one_part(files, tmp_path / "next", [tmp_path / "killed"])
        assert part.found == str(file)
        if damaged is None:
            file.unlink()
        else:
            file.write_bytes(damaged)
        rows, rejected = decode(images, part, tmp_path / "next")
        assert [row for row, _ in rows] == [row for row, _ in first]
        assert not rejected


@pytest.mark.parametrize("change", ["size", "time", "name", "code"])
def test_a_part_is_used_for_the_same_files_options_and_code_only(images, tmp_path, change):
    files = listed(images)
    decode(images, one_part(files, tmp_path / "killed"), tmp_path / "killed")
    file = files[1]
    files[1] = {
        "size": ImageFile(file.path, file.size + 1, file.mtime_ns),
        "time": ImageFile(file.path, file.size, file.mtime_ns + 1),
        "name": ImageFile("10.png", file.size, file.mtime_ns),
        "code": file,
    }[change]
    found = find_parts([str(tmp_path / "killed")])
    about = "new code" if change == "code" else "code"
    (part,) = list_parts([files], 64, str(tmp_path / "killed"), [[about]], found)
    assert part.found == ""


def test_what_could_not_be_read_is_tried_again(images, tmp_path):
    files = [*listed(images), ImageFile("9.png", 1, 1)]
    decode(images, one_part(files, tmp_path / "killed"), tmp_path / "killed")
    assert one_part(files, tmp_path / "next", [tmp_path / "killed"]).found == ""


def test_the_examples_of_a_shard_are_together_in_a_part(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for gray in range(40):
        Image.new("L", (64, 64), gray).save(folder / f"{gray:02}.png")
    part = one_part(listed(folder), tmp_path / "partial")
    fn = DecodeParts([ImageSource(str(folder))], ImageOptions(), "", USES, part_folder(part), 4)
    fn.setup()
    shards = dict(filter(is_main, fn.process(part)))
    fn.teardown()
    assert sorted(shards) == [0, 1, 2, 3]
    for _, packed in shards.values():
        rows = list(unpack(packed))
        assert [row.sha256 for row in rows] == sorted(row.sha256 for row in rows)
        for one, other in itertools.pairwise(rows):
            assert one.offset + one.size == other.offset


def part_folder(part):
    return os.path.dirname(part.listing)


def test_the_list_of_a_part_gives_the_files_back(tmp_path):
    files = [ImageFile("a/ž\n.png", 2**40, 2**60, "", 3, "a"), ImageFile("x", problem="no file")]
    part = one_part(files, tmp_path / "partial")
    assert part.files() == files
    assert json.loads(Path(part.listing).read_text(encoding="ascii"))


def test_the_functions_of_the_pipeline_pickle_for_workers():
    fn = pickle.loads(
        pickle.dumps(DecodeParts([ImageSource("x")], ImageOptions(), "", USES, "", 1))
    )
    write = pickle.loads(pickle.dumps(WriteShard({"train": "x"}, USES, "partial", 3)))
    part = Part("key", 0, 0, 1, "list")
    assert isinstance(pickle.loads(pickle.dumps(fn)), DecodeParts)
    assert isinstance(write, WriteShard)
    assert pickle.loads(pickle.dumps(part)) == part
