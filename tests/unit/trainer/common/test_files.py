import errno
import os
import select
import subprocess
import sys

import pytest

from trainer.common.files import PARTS, atomic_write, holding, locked, open_below


def test_the_file_is_replaced_only_at_the_end(tmp_path):
    path = tmp_path / "grid.png"
    path.write_text("old")
    with atomic_write(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_file_as_it_was(tmp_path, error):
    path = tmp_path / "grid.png"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "grid.png"
    with atomic_write(path) as one:
        one.write_text("one")
        with atomic_write(path) as other:
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_the_part_of_a_killed_process_is_found_by_its_pattern_and_not_in_the_way(tmp_path):
    path = tmp_path / "grid.png"
    with atomic_write(path) as left:
        left.write_text("old")
    left.write_text("a longer part of a killed process")
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.glob(PARTS)) == [left]


def test_a_file_is_written_whatever_name_it_may_have(tmp_path):
    path = tmp_path / ("x" * 255)
    with atomic_write(path) as partial:
        partial.write_text("new")
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_its_part(tmp_path):
    path = tmp_path / "missing" / "grid.png"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path) as partial:
        partial.write_text("new")
    assert caught.value.filename == str(path)


def test_a_write_that_fills_the_disk_names_the_file(tmp_path):
    path = tmp_path / "grid.png"
    with pytest.raises(OSError, match="space") as caught, atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")  # as `write` raises it
    assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="space") as caught, atomic_write(path) as partial:
        raise OSError(errno.ENOSPC, "No space left on device", "of a copy", None, str(partial))
    assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    with pytest.raises(BrokenPipeError) as caught, atomic_write(path):
        raise BrokenPipeError(errno.EPIPE, "of another file")
    assert caught.value.filename is None


@pytest.mark.parametrize("lock", [locked, holding])
def test_a_link_in_place_of_a_lock_is_refused(tmp_path, lock):
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / ".lock").symlink_to(other)
    with pytest.raises(OSError, match=r"\.lock is a link; remove it"), lock(tmp_path / ".lock"):
        pass
    assert other.read_text() == "kept"


def test_a_lock_is_held_by_one_process_at_a_time_and_free_when_it_dies(tmp_path):
    script = """if True:
        import sys, time
        from pathlib import Path
        from trainer.common.files import locked
        with locked(Path(sys.argv[1])):
            print("locked", flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-c", script, tmp_path / "lock"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second,
    ):
        outputs = {process.stdout: process for process in (first, second)}
        [output], _, _ = select.select(outputs, [], [], 300)
        assert output.readline() == "locked\n"
        holder = outputs.pop(output)
        assert select.select(outputs, [], [], 0.5)[0] == []
        holder.kill()
        [waiter] = select.select(outputs, [], [], 300)[0]
        assert waiter.readline() == "locked\n"
        outputs[waiter].kill()


def test_a_regular_file_below_a_folder_is_opened_and_nothing_else(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "secret"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file").write_text("content")
    outside.write_text("secret")
    (folder / "a" / "link").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "a" / "pipe")
    with open_below(folder, folder / "a" / "file") as file:
        assert file.read() == b"content"
    for path in (
        "a/link",
        "linked/secret",
        "a/../../secret",
        "../secret",
        "a/pipe",
        "a/pipe/file",
        "a",
        "a/missing",
    ):
        with pytest.raises(OSError):
            open_below(folder, folder / path)
    with pytest.raises(OSError):
        open_below(folder, outside)
    (tmp_path / "other").symlink_to(folder)
    with open_below(tmp_path / "other", tmp_path / "other" / "a" / "file") as file:
        assert file.read() == b"content"


def test_a_file_that_is_not_opened_leaves_no_descriptor_open(tmp_path):
    (tmp_path / "folder").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for name in ("folder", "missing", "folder/missing"):
        with pytest.raises(OSError):
            open_below(tmp_path, tmp_path / name)
    assert len(os.listdir("/proc/self/fd")) == before
