import errno
import os

import pytest

from components.image_example_gen.errors import ImageDataError, StorageError
from components.image_example_gen.files import (
    ImageFile,
    describe_endings,
    describe_unread,
    fingerprint,
)
from components.image_example_gen.folders.listing import check_has_images, list_folder
from components.image_example_gen.folders.reading import ImageReader


def open_image(folder, path):
    return ImageReader(str(folder)).open(ImageFile(path))


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def problems(folder):
    return {file.path: file.problem for file in list_folder(str(folder)).images}


def test_images_at_any_depth_are_listed_by_sorted_relative_path(tmp_path):
    for path in ("b.JPG", "a/z.png", "a/b/c/d.webp", "a.gif", "x.bmp", "y.tif", "z.tiff"):
        touch(tmp_path / path)
    paths = [file.path for file in list_folder(f"{tmp_path}/").images]
    assert paths == ["a.gif", "a/b/c/d.webp", "a/z.png", "b.JPG", "x.bmp", "y.tif", "z.tiff"]


def test_files_with_other_suffixes_and_hidden_ones_are_ignored(tmp_path):
    for path in ("labels.csv", "README.txt", "noext", ".hidden.png", ".git/x.png", "a/.b/c.png"):
        touch(tmp_path / path)
    touch(tmp_path / "a" / "x.png")
    assert problems(tmp_path) == {"a/x.png": ""}


def test_files_with_other_suffixes_are_counted_by_ending_and_hidden_ones_are_not(tmp_path):
    (tmp_path / "a").mkdir()
    for path in ("x.HEIC", "a/y.heic", "labels.csv", "README", "a/.x.csv", ".git.csv", "b.png"):
        touch(tmp_path / path)
    for odd in ("new.line\n", "a.[red]", "v.2024 (copy)", "x.abcdefghi", "\x1b.\x1b"):
        touch(tmp_path / odd)
    (tmp_path / ".DS_Store").mkdir()
    touch(tmp_path / ".DS_Store" / "x.csv")
    with open(os.fsencode(tmp_path) + b"/bad.\xff", "wb"):
        pass
    assert list_folder(f"{tmp_path}/").others == {".heic": 2, ".csv": 1, "none": 7}


def test_endings_are_described_by_frequency_in_one_line():
    assert describe_endings({".csv": 1, ".heic": 12_000, "none": 2}) == (
        "12,000 .heic, 2 without an ending, 1 .csv"
    )
    many = {f".{index}": index for index in range(1, 8)}
    assert describe_endings(many) == "7 .7, 6 .6, 5 .5, 4 .4, 3 .3, 3 others"


def test_a_folder_with_other_files_only_is_an_error_that_names_them(tmp_path):
    touch(tmp_path / "a" / "x.heic")
    with pytest.raises(ImageDataError, match=r"no image files below this folder, found 1 \.heic;"):
        list_folder(str(tmp_path))
    with pytest.raises(ImageDataError, match=r"; convert them to JPEG or PNG$"):
        list_folder(str(tmp_path))


@pytest.mark.parametrize("name", ["x.zip", "x.tgz", "x.tar.gz", "x.TAR.BZ2", "x.7z", "x.rar"])
def test_a_folder_with_archives_that_are_not_read_is_an_error_that_says_to_unpack_them(
    tmp_path, name
):
    touch(tmp_path / name)
    with pytest.raises(ImageDataError, match=r"; not read: 1 [.\w]+; unpack them$"):
        list_folder(str(tmp_path))


def test_compressed_labels_are_no_archives(tmp_path):
    touch(tmp_path / "x.png")
    for name in ("labels.csv.gz", "notes.json.XZ", "images.tar.gz"):
        touch(tmp_path / name)
    others = list_folder(str(tmp_path)).others
    assert others == {".gz": 1, ".xz": 1, ".tar.gz": 1}
    assert describe_unread(others) == ["not read: 1 .tar.gz; unpack them"]


def test_names_with_spaces_and_letters_of_any_script_are_listed(tmp_path):
    names = ("my cat.png", "čeština.png", "猫/ネコ 1.png", "new\nline.png")
    for name in names:
        touch(tmp_path / name)
    assert problems(tmp_path) == dict.fromkeys(names, "")


def test_a_name_that_is_not_utf8_is_rejected_in_printable_form(tmp_path):
    with open(os.fsencode(tmp_path) + b"/bad\xff.png", "wb"):
        pass
    reason = "name of the file or of a folder is not UTF-8: rename it"
    assert problems(tmp_path) == {r"bad\xff.png": reason}


def test_a_link_inside_the_folder_is_followed(tmp_path):
    touch(tmp_path / "a" / "x.png", b"1234")
    (tmp_path / "y.png").symlink_to("a/x.png")
    assert problems(tmp_path) == {"a/x.png": "", "y.png": ""}
    with open_image(str(tmp_path), "y.png") as stream:
        assert stream.read() == b"1234"


def test_a_link_to_a_file_outside_the_folder_is_rejected(tmp_path):
    outside = touch(tmp_path / "outside.png")
    touch(tmp_path / "outside-too" / "x.png")
    folder = tmp_path / "outside"  # a prefix of both names
    folder.mkdir()
    (folder / "a.png").symlink_to(outside)
    (folder / "b.png").symlink_to("../outside-too/x.png")
    reason = "link to a file outside the folder: copy the file into it (cp -rL)"
    assert problems(folder) == {"a.png": reason, "b.png": reason}


def test_link_loops_and_broken_links_are_rejected(tmp_path):
    touch(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "loop").symlink_to("..", target_is_directory=True)
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert problems(tmp_path) == {
        "a/x.png": "",
        "gone.png": "broken link",
        "self.png": "broken link",
    }


def test_a_link_to_a_folder_is_no_image(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "docs").symlink_to(tmp_path)
    with pytest.raises(ImageDataError, match="no image files below this folder, found 1 link to a"):
        check_has_images(str(tmp_path / "images"))


@pytest.mark.parametrize(
    "name", ["@eaDir", "@Recycle", "#snapshot", "$Recycle.Bin", "__MACOSX", ".git"]
)
def test_previews_and_deleted_files_of_devices_are_hidden(tmp_path, name):
    touch(tmp_path / name / "x.png")
    touch(tmp_path / "y.png")
    assert problems(tmp_path) == {"y.png": ""}


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path / "real" / "x.png")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert problems(tmp_path / "link") == {"x.png": ""}


def test_a_pipe_named_like_an_image_is_rejected_but_a_folder_is_entered(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    touch(tmp_path / "folder.png" / "x.png")
    assert problems(tmp_path) == {"folder.png/x.png": "", "pipe.png": "not a regular file"}


def test_a_folder_without_permission_is_an_error_since_it_may_be_a_whole_class(
    open_to_all, unprivileged
):
    touch(open_to_all / "good" / "x.png")
    touch(open_to_all / "locked" / "y.png").parent.chmod(0)
    with unprivileged(), pytest.raises(ImageDataError) as error:
        problems(open_to_all)
    assert str(error.value) == (
        f"{open_to_all}: the folder 'locked' cannot be read (Permission denied); make it readable, "
        "or move it out of the folder of images"
    )
    assert error.value.hold is False


@pytest.mark.parametrize(
    ("code", "listed"), [(errno.EIO, None), (errno.ESTALE, None), (errno.ENOENT, {"x.png": ""})]
)
def test_a_folder_is_an_error_of_storage_where_a_disk_fails_and_nothing_once_it_is_removed(
    tmp_path, monkeypatch, code, listed
):
    touch(tmp_path / "x.png")
    touch(tmp_path / "dogs" / "y.png")
    scandir = os.scandir

    def fail(path):
        if path.endswith("dogs"):
            raise OSError(code, os.strerror(code), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    if listed:
        assert problems(tmp_path) == listed
        return
    with pytest.raises(StorageError, match=r"the folder 'dogs' cannot be read .* try again when"):
        problems(tmp_path)


def test_a_data_folder_without_permission_is_a_one_line_error(open_to_all, unprivileged):
    folder = open_to_all / "locked"
    touch(folder / "x.png")
    folder.chmod(0)
    with unprivileged(), pytest.raises(ImageDataError, match=r"cannot be read \(Permission denied"):
        list_folder(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "no such folder"), ("file.png", "not a folder"), ("empty", "no image files")],
)
def test_a_folder_without_images_is_a_one_line_error(tmp_path, name, message):
    touch(tmp_path / "file.png")
    touch(tmp_path / "empty" / "notes.txt")
    with pytest.raises(ImageDataError, match=message) as error:
        list_folder(str(tmp_path / name))
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changed", [ImageFile("b", 1, 1), ImageFile("a", 2, 1), ImageFile("a", 1, 2)]
)
def test_the_fingerprint_depends_on_name_size_and_time(changed):
    assert fingerprint([ImageFile("a", 1, 1)]) == fingerprint([ImageFile("a", 1, 1)])
    assert fingerprint([ImageFile("a", 1, 1)]) != fingerprint([changed])
