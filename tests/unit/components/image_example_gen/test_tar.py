import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import DAMAGED, ImageFile, to_label
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.folders.tar import ENDS_EARLY, NOT_A_TAR, list_tar
from components.image_example_gen.spans import ImageSource
from components.image_example_gen.windows import list_spans

BLOCK = tarfile.BLOCKSIZE


def make_tar(*entries, tar_format=tarfile.PAX_FORMAT, pax=None):
    """A tar of (name, content), of (name, None) for a folder, or of headers as tarfile has them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format, pax_headers=pax) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def files_of(content):
    return list(list_tar(io.BytesIO(content), ImageFile("x.tar", len(content))))


def listed(content):
    """Names with labels, and names with problems; the tar itself has no name."""
    found = {file.path.removeprefix("x.tar").removeprefix("/"): file for file in files_of(content)}
    good = {name: file.label or "" for name, file in found.items() if not file.problem}
    return good, {name: file.problem for name, file in found.items() if file.problem}


def test_a_label_that_is_null_is_none_and_one_that_is_missing_is_the_folder():
    members = [("cats/1.jpg", b"x"), ("cats/1.json", b'{"label": null}')]
    members += [("cats/2.jpg", b"x"), ("cats/2.json", b'{"caption": "y"}'), ("3.jpg", b"x")]
    labels = {file.path: file.label for file in files_of(make_tar(*members))}
    assert labels == {"x.tar/cats/1.jpg": "", "x.tar/cats/2.jpg": "cats", "x.tar/3.jpg": None}


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_the_images_of_a_tar_are_listed_beside_files_and_read_at_their_offsets(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "z.png").write_bytes(b"file")
    long = "n" * 300 + ".png"
    content = make_tar(
        ("./x.png", b"1234"), ("cats/y.jpg", b"56"), ("labels.csv", b""), (long, b"7")
    )
    (tmp_path / "a" / "b.TAR").write_bytes(content)
    listing = list_folder(str(tmp_path))
    files = {file.path: file for file in listing.images}
    assert list(files) == ["a/b.TAR/cats/y.jpg", f"a/b.TAR/{long}", "a/b.TAR/x.png", "a/z.png"]
    assert listing.others == {".csv": 1}
    assert [file.class_label for file in files.values()] == ["cats", "a", "a", "a"]
    time = (tmp_path / "a" / "b.TAR").stat().st_mtime_ns
    assert {file.mtime_ns for file in files.values() if file.archive == "a/b.TAR"} == {time}
    with ImageReader(str(tmp_path)) as reader:
        contents = [reader.open(file).read() for file in reversed(files.values())]
    assert contents == [b"file", b"1234", b"7", b"56"]


def test_the_first_folder_is_the_label_and_a_tar_is_none(tmp_path):
    (tmp_path / "top.tar").write_bytes(make_tar(("x.png", b"x"), ("dogs/old/y.png", b"y")))
    labels = {file.path: file.class_label for file in list_folder(str(tmp_path)).images}
    assert labels == {"top.tar/x.png": "", "top.tar/dogs/old/y.png": "dogs"}


def test_a_folder_whose_name_is_not_utf8_rejects_its_files_alone(tmp_path):
    content = make_tar(("x.png", b"x"), ("d\udce9t\udce9/y.png", b"y"))
    assert listed(content)[1] == {r"d\xe9t\xe9/y.png": "name is not UTF-8: rename it"}
    (tmp_path / "a.tar").write_bytes(content)
    states = [file.state.encode() for file in list_folder(str(tmp_path)).images]
    assert len(states) == 2


def test_half_a_character_is_no_label():
    content = make_tar(("7.jpg", b"x"), ("7.json", b'{"label": "cat \\ud83d"}'), ("8.jpg", b"y"))
    assert listed(content)[0].keys() == {"8.jpg"}


def test_previews_and_deleted_files_in_a_tar_are_left_out():
    content = make_tar(
        ("a/x.png", b"x"), ("a/@eaDir/x.png/thumb.png", b"y"), ("#recycle/z.png", b"")
    )
    assert listed(content) == ({"a/x.png": "a"}, {})


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_labels_of_a_webdataset_are_beside_the_images(tar_format):
    content = make_tar(
        *[("7.cls", b"3\n"), ("7.jpg", b"x"), ("7.txt", b"a caption")],
        *[("a/8.jpg", b"x"), ("a/8.json", json.dumps({"label": "sea lion"}).encode())],
        *[("a/9.seg.png", b"x"), ("a/9.json", b'{"label": 12}'), ("a/9.jpg", b"x")],
        *[("b/10.cls", b"first"), ("b/10.json", b'{"label": "second"}'), ("b/10.jpg", b"x")],
        *[("b/11.jpg", b"x"), ("b/11.json", b'{"caption": "none"}')],
        tar_format=tar_format,
    )
    assert listed(content) == (
        {
            "7.jpg": "3",
            "7.txt": "3",
            "a/8.jpg": "sea lion",
            "a/9.seg.png": "12",
            "a/9.jpg": "12",
            "b/10.jpg": "first",
            "b/11.jpg": "b",
        },
        {},
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("7.cls", b"\xff"),
        ("7.cls", b"a\nb"),
        ("7.cls", b"a\rb"),
        ("7.cls", b"x" * 300),
        ("7.json", b"{"),
        ("7.json", b"[" * 100_000),
        ("7.json", b"[1]"),
        ("7.json", b'{"label": 1.5}'),
        ("7.json", b'{"label": true}'),
        ("7.json", b" " * (1 << 20) + b"{}"),
    ],
)
def test_an_image_with_a_damaged_label_is_rejected_and_the_next_is_not(name, content):
    good, bad = listed(make_tar((name, content), ("7.jpg", b"x"), ("8.jpg", b"x")))
    assert good == {"8.jpg": ""}
    assert f".{name[2:]} beside it is" in bad["7.jpg"]


def test_names_that_lead_out_links_devices_and_sparse_files_are_rejected():
    sparse = tarfile.TarInfo("sparse.png")
    sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1000"}
    content = make_tar(
        *[("../../x.png", b"x"), ("/etc/y.png", b"x"), ("a/../b.png", b"x"), ("..", None)],
        *[special("soft.png", tarfile.SYMTYPE, "/etc/passwd")],
        *[special("hard.png", tarfile.LNKTYPE, "../x"), special("null.png", tarfile.CHRTYPE)],
        *[special("disk", tarfile.BLKTYPE), special("pipe", tarfile.FIFOTYPE), sparse],
        *[("good.png", b"x"), (".hidden.png", b"x"), ("./._a.png", b"x"), ("folder.png", None)],
        *[(".git/z.png", b"x"), ("./", None)],
    )
    out, link, irregular = (
        "name leads out of the archive",
        "link in an archive",
        "not a regular file",
    )
    assert listed(content) == (
        {"good.png": ""},
        {
            "../../x.png": out,
            "/etc/y.png": out,
            "a/../b.png": out,
            "..": out,
            "soft.png": link,
            "hard.png": link,
            "null.png": irregular,
            "disk": irregular,
            "pipe": irregular,
            "sparse.png": "sparse file in an archive",
        },
    )


def test_files_of_one_name_differ():
    names = ["a.png", "a.png", "../x.png", "../x.png"]
    files = files_of(make_tar(*[(name, b"x") for name in names]))
    assert len({file.state for file in files}) == 4


def test_a_tar_that_is_cut_off_keeps_what_is_whole():
    content = make_tar(("a.png", b"x" * BLOCK), ("b.png", b"y" * BLOCK), ("c.png", b"z" * BLOCK))
    whole = {"a.png": "", "b.png": ""}
    assert listed(content[: 6 * BLOCK]) == ({**whole, "c.png": ""}, {"": ENDS_EARLY})
    assert listed(content[: 5 * BLOCK + 99]) == (whole, {"c.png": ENDS_EARLY, "": ENDS_EARLY})
    assert listed(content[: 4 * BLOCK + 99]) == (whole, {"": ENDS_EARLY})


def test_damage_in_a_tar_is_reported_and_what_is_before_it_kept():
    content = bytearray(make_tar(("a.png", b"x"), ("b.png", b"y"), ("c.png", b"z")))
    content[2 * BLOCK + 148 : 2 * BLOCK + 156] = b"99999999"  # the checksum of b.png
    assert listed(bytes(content)) == ({"a.png": ""}, {"": DAMAGED})


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b" + b"x" * 2000, b"x" * BLOCK])
def test_what_is_not_a_tar_is_one_rejected_file(tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    (tmp_path / "y.png").write_bytes(b"x")
    problems = {file.path: file.problem for file in list_folder(str(tmp_path)).images}
    assert problems == {"x.tar": NOT_A_TAR, "y.png": ""}


def with_size(header, field):
    """A header with another size field, and the checksum of it."""
    header = header[:124] + field + header[136:148] + b" " * 8 + header[156:]
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (tarfile.REGTYPE, b"\xff" * 12),  # negative
        (tarfile.XHDTYPE, b"\xff" * 12),
    ],
)
def test_sizes_of_headers_that_are_negative_end_the_tar(kind, size):
    good = make_tar(("a.png", b"x"))[: 2 * BLOCK]
    info = tarfile.TarInfo("b.png")
    info.type = kind
    content = good + with_size(info.tobuf(tarfile.USTAR_FORMAT), size) + bytes(3 << 20)
    assert listed(content) == ({"a.png": ""}, {"": DAMAGED})


def test_a_file_of_a_huge_size_is_rejected_unread():
    info = tarfile.TarInfo("b.png")
    content = with_size(info.tobuf(tarfile.USTAR_FORMAT), b"77777777777\0")
    assert listed(content) == ({}, {"b.png": "more than 256 MiB", "": ENDS_EARLY})


def test_every_damage_of_a_header_is_reported_or_harmless():
    content = make_tar(("7.json", b'{"label": "a"}'), ("7.png", b"x"), ("é" * 80 + ".png", b"y"))
    for position in range(len(content) - 9 * BLOCK):
        damaged = bytearray(content)
        damaged[position] ^= 0x81
        good, bad = listed(bytes(damaged))
        assert len(good) + len(bad) >= 1


def test_a_name_that_is_not_utf8_is_rejected_in_printable_form(tmp_path):
    content = make_tar(("\udcff.png", b"x"), tar_format=tarfile.GNU_FORMAT)
    (tmp_path / "x.tar").write_bytes(content)
    (file,) = list_folder(str(tmp_path)).images
    assert (file.path, file.problem) == (r"x.tar/\xff.png", "name is not UTF-8: rename it")


def test_nothing_is_written_where_a_tar_is_read(tmp_path):
    (tmp_path / "x.tar").write_bytes(make_tar(("../y.png", b"x"), ("z/z.png", b"x")))
    before = sorted(Path(tmp_path.parent).rglob("*"))
    files = list_folder(str(tmp_path)).images
    with ImageReader(str(tmp_path)) as reader:
        assert reader.open(files[1]).read() == b"x"
    assert sorted(Path(tmp_path.parent).rglob("*")) == before


def test_an_archive_that_changed_after_it_was_listed_is_not_read(tmp_path):
    (tmp_path / "x.tar").write_bytes(make_tar(("y.png", b"x")))
    (file,) = list_folder(str(tmp_path)).images
    os.utime(tmp_path / "x.tar", ns=(1, 1))
    with ImageReader(str(tmp_path)) as reader, pytest.raises(OSError, match="has changed"):
        reader.open(file)


def test_an_archive_without_permission_is_an_error(open_to_all, unprivileged):
    (open_to_all / "x.tar").write_bytes(make_tar(("y.png", b"x")))
    (open_to_all / "x.tar").chmod(0)
    (open_to_all / "y.png").write_bytes(b"x")
    with unprivileged(), pytest.raises(ImageDataError, match=r"archive 'x\.tar' cannot be read"):
        list_folder(str(open_to_all))


def test_spans_may_hold_archives(tmp_path):
    for span in (1, 2):
        (tmp_path / f"span-{span}").mkdir()
        content = make_tar((f"cats/{span}.png", b"x"))
        (tmp_path / f"span-{span}" / "a.tar").write_bytes(content)
    source = ImageSource(str(tmp_path), tuple(list_spans(str(tmp_path), "span-{SPAN}")))
    files = source.list_files()
    assert [(file.path, file.span, file.class_label) for file in files] == [
        ("span-1/a.tar/cats/1.png", 1, "cats"),
        ("span-2/a.tar/cats/2.png", 2, "cats"),
    ]
    with ImageReader(str(tmp_path)) as reader:
        assert reader.open(files[0]).read() == b"x"


def test_a_folder_of_archives_without_images_is_a_one_line_error(tmp_path):
    (tmp_path / "x.tar").write_bytes(make_tar(("y.txt", b"x")))
    with pytest.raises(ImageDataError, match=r"found 1 \.txt; image files end in .* \.tar"):
        list_folder(str(tmp_path))


def test_a_class_has_one_name_however_it_is_written():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert to_label(decomposed) == to_label(f"\ufeff {composed}\r\n") == composed
    assert ImageFile(f"{decomposed}/1.png").class_label == composed
