import errno
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from components.image_example_gen.errors import ImageDataError
from pipeline.config.pipeline_config import load
from pipeline.config.sections import find_sources
from pipeline.registry import read_files
from pipeline.registry.journal import Journal
from pipeline.unattended.new_data import look

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "workspace" / "journal.sqlite")


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"no image: only names, sizes and times count")


def config_of(folder, *overrides):
    return load(overrides=[f"data.folder={folder}", *overrides])


def snapshots(config):
    images, *_ = find_sources(config.data)
    return read_files.snapshots(images, images.listing())


def read(config, journal):
    """Records the files as a run that reads them."""
    read_files.remember(journal, snapshots(config))


@pytest.fixture
def spanned(tmp_path):
    """A configuration of spans, and the folder of each by its number."""
    config = config_of(tmp_path / "data", "data.pattern=span-{SPAN}", "data.window=3")
    return config, lambda number: tmp_path / "data" / f"span-{number}"


def test_a_held_span_is_listed_although_its_folder_is_gone(spanned, journal):
    config, folder = spanned
    put(folder(1), "a.png")
    put(folder(2), "b.png")
    journal.hold(2, "drift", NOW)
    shutil.rmtree(folder(2))
    found = look(config, journal)
    assert [span.number for span in found.spans] == [1, 2]
    assert [span.number for span in found.held] == [2]
    assert found.newest == 1


def test_all_is_new_at_first_and_nothing_when_it_is_remembered(tmp_path, journal):
    config = config_of(tmp_path / "data")
    put(tmp_path / "data", "a.png", "b.png", "labels.csv")
    found = look(config, journal)
    assert (found.new, found.late, found.text) == ({0: 2}, {}, "2 new images")
    read(config, journal)
    found = look(config, journal)
    assert (found.new, found.text) == ({}, "no new images")


def test_in_a_growing_folder_what_came_or_changed_is_new(tmp_path, journal):
    config = config_of(tmp_path / "data")
    put(tmp_path / "data", "a.png", "b.png", "c.png")
    read(config, journal)
    put(tmp_path / "data" / "more", "d.png")
    os.utime(tmp_path / "data" / "a.png", (1, 1))
    (tmp_path / "data" / "c.png").unlink()
    assert look(config, journal).new == {0: 2}


def test_what_a_run_read_of_another_folder_is_not_forgotten(tmp_path, journal):
    first, second = (config_of(tmp_path / name) for name in ("first", "second"))
    put(tmp_path / "first", "a.png")
    put(tmp_path / "second", "b.png")
    for config in (first, second):
        read(config, journal)
    assert (look(first, journal).new, look(second, journal).new) == ({}, {})


def test_what_arrives_while_a_run_reads_is_new_the_next_time(tmp_path, journal):
    config = config_of(tmp_path / "data")
    put(tmp_path / "data", "a.png")
    before = snapshots(config)
    put(tmp_path / "data", "b.png")
    read_files.remember(journal, before)
    assert look(config, journal).new == {0: 1}


def test_files_that_arrive_late_in_a_span_of_the_window_are_new_and_reported_as_late(
    spanned, journal
):
    config, folder = spanned
    put(folder(1), "a.png")
    put(folder(2), "a.png")
    read(config, journal)
    put(folder(1), "late.png")
    put(folder(3), "a.png", "b.png")
    found = look(config, journal)
    assert (found.new, found.late, found.newest) == ({1: 1, 3: 2}, {1: 1}, 3)
    assert found.text == "3 new images: 1 late in span 1, 2 in span 3"


def test_more_files_in_the_newest_span_are_not_late(spanned, journal):
    config, folder = spanned
    put(folder(1), "a.png")
    read(config, journal)
    put(folder(1), "b.png")
    found = look(config, journal)
    assert (found.new, found.late, found.text) == ({1: 1}, {}, "1 new image in span 1")


def test_spans_outside_the_window_are_reported_and_start_no_run(spanned, journal):
    config, folder = spanned
    for number in range(1, 5):
        put(folder(number), "a.png")
    found = look(config, journal)
    assert (found.new, found.outside) == ({2: 1, 3: 1, 4: 1}, {1: 1})
    assert found.text.endswith("; 1 in spans outside data.window: 1")
    read(config, journal)
    assert (look(config, journal).new, look(config, journal).outside) == ({}, {1: 1})


def test_a_folder_that_cannot_be_read_matters_in_the_window_alone(spanned, journal, monkeypatch):
    config, folder = spanned
    for number in (1, 2, 3, 4):
        put(folder(number) / "cats", "a.png")
    scandir = os.scandir

    def refuse(locked):
        def fail(path):
            if str(path).startswith(str(locked / "cats")):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", fail)

    read(config, journal)
    put(folder(5) / "cats", "a.png")
    refuse(folder(1))
    found = look(config, journal)
    assert found.new == {5: 1}
    assert [span.number for span in found.spans if span.unlisted] == [1]
    refuse(folder(3))
    with pytest.raises(ImageDataError, match="the folder 'cats' cannot be read"):
        look(config, journal)


def test_what_cannot_be_read_is_not_called_gone(tmp_path, journal, monkeypatch):
    config = config_of(tmp_path / "data")
    for name in ("cats", "dogs"):
        put(tmp_path / "data" / name, "a.png")
    read(config, journal)
    scandir = os.scandir

    def fail(path):
        if str(path).endswith("cats"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(ImageDataError, match="the folder 'cats' cannot be read") as error:
        look(config, journal)
    assert error.value.hold is False


def test_a_held_span_is_reported_and_not_read_until_it_is_released(spanned, journal):
    config, folder = spanned
    for number in (1, 2):
        put(folder(number), "a.png")
    journal.hold(2, "drift of 0.3", NOW)
    found = look(config, journal)
    assert (found.new, found.newest) == ({1: 1}, 1)
    assert found.text == ("1 new image in span 1; held (see `iadb spans`): 2")
    assert found.as_json()["held"] == [2]
    journal.release(2, NOW)
    found = look(config, journal)
    assert (found.new, found.used_up) == ({1: 1, 2: 1}, ())
    shutil.rmtree(folder(2))
    assert look(config, journal).used_up == (2,)


def test_where_all_is_held_nothing_is_read(tmp_path, journal):
    put(tmp_path / "data", "a.png")
    journal.hold(0, "5 of 5 files are rejected", NOW)
    found = look(config_of(tmp_path / "data"), journal)
    assert (found.new, found.newest) == ({}, None)
    assert found.text.startswith("no new images; the folder is held: 5 of 5")


def test_many_spans_are_reported_in_one_short_line(tmp_path, journal):
    config = config_of(tmp_path / "data", "data.pattern='{YYYY}/{MM}/{DD}'", "data.window=0")
    for day in range(1, 31):
        put(tmp_path / "data" / f"2026/04/{day:02}", "a.png")
    text = look(config, journal).text
    assert text.startswith("30 new images: 1 in span ")
    assert text.endswith(", the rest in 25 earlier spans")


def test_an_empty_span_has_nothing_new_and_a_missing_folder_is_an_error(spanned, journal):
    config, folder = spanned
    put(folder(1))
    assert look(config, journal).new == {}
    with pytest.raises(ImageDataError, match="no such folder"):
        look(config_of(folder(9)), journal)


def test_a_span_whose_images_have_not_come_is_not_the_newest(spanned, journal):
    config, folder = spanned
    put(folder(1), "a.png")
    put(folder(2))
    found = look(config, journal)
    assert (found.newest, found.empty, found.outside) == (1, (2,), {})
    assert "outside" not in found.text


def test_spans_whose_folders_were_removed_are_not_missed(spanned, journal):
    config, folder = spanned
    put(folder(1), "a.png")
    read(config, journal)
    shutil.rmtree(folder(1))
    put(folder(2), "bad.png")
    journal.hold(2, "drift", NOW)
    put(folder(3))
    assert look(config, journal).held


def test_images_that_are_gone_are_missed_beside_a_span_that_is_held(spanned, journal):
    config, folder = spanned
    for span in (1, 2):
        put(folder(span), "a.png")
    read(config, journal)
    put(folder(3), "bad.png")
    journal.hold(3, "drift", NOW)
    for span in (1, 2):
        (folder(span) / "a.png").unlink()
    with pytest.raises(ImageDataError, match="there are no images any more, of 2 files that runs"):
        look(config, journal)


def test_a_look_imports_no_heavy_library(tmp_path):
    put(tmp_path / "data", "a.png")
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        f"arguments = ['run', '--if-new-data', '--data', {str(tmp_path / 'data')!r}]\n"
        f"arguments += ['--workspace', {str(tmp_path / 'workspace')!r}]\n"
        "arguments += ['--set', 'schedule.min_new_images=2']\n"
        "print(CliRunner().invoke(main, arguments).stdout)\n"
        "heavy = ('tensorflow', 'tfx', 'apache_beam')\n"
        "print([module for module in heavy if module in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == [
        "too few new images: 1 new image; a run waits for schedule.min_new_images=2",
        "",
        "[]",
    ]


def test_an_image_is_new_when_its_source_is_there_or_changes(tmp_path, journal):
    images, sources = tmp_path / "data", tmp_path / "sources"
    config = config_of(images, f"data.source={sources}")
    put(images, "a.png", "b.png")
    put(sources, "a.jpg", "c.jpg")
    assert look(config, journal).new == {0: 1}
    read(config, journal)
    assert look(config, journal).new == {}
    put(sources, "b.jpg")
    assert look(config, journal).new == {0: 1}
    os.utime(sources / "a.jpg", ns=(1, 1))
    assert look(config, journal).new == {0: 2}
    put(images, "c.png")
    assert look(config, journal).new == {0: 3}


def test_a_span_without_a_folder_of_sources_has_nothing_new(tmp_path, journal):
    images, sources = tmp_path / "data", tmp_path / "sources"
    config = config_of(images, f"data.source={sources}", "data.pattern=span-{SPAN}")
    put(images / "span-1", "a.png")
    put(images / "span-2", "a.png", "b.png")
    put(sources / "span-2", "a.jpg", "b.jpg")
    found = look(config, journal)
    assert [(span.number, span.images) for span in found.spans] == [(1, 0), (2, 2)]
    assert found.new == {2: 2}
    shutil.rmtree(sources)
    with pytest.raises(ImageDataError, match="no such folder"):
        look(config, journal)


def test_sources_without_pairs_are_no_new_data(tmp_path, journal):
    images, sources = tmp_path / "data", tmp_path / "sources"
    unpaired = (f"data.source={sources}", "data.pairing=none", "model.source=map")
    config = config_of(images, *unpaired)
    put(images, "a.png")
    put(sources, "a.png", "b.png")
    assert look(config, journal).new == {0: 1}
    read(config, journal)
    put(sources, "c.png")
    assert look(config, journal).new == {}


def test_spans_of_two_folders_have_holds_and_files_of_their_own(tmp_path):
    """One workspace is used with both; their spans have the same numbers."""
    pattern = "data.pattern=span-{SPAN}"
    configs = [config_of(tmp_path / name, pattern) for name in "ab"]
    a, b = (Journal(tmp_path / "journal.sqlite", config.data.folder) for config in configs)
    for name in "ab":
        put(tmp_path / name / "span-5", "1.png", "2.png")
    a.hold(5, "drift", NOW)
    assert look(configs[0], a).newest is None
    assert look(configs[1], b).new == {5: 2}
    read(configs[1], b)
    assert not look(configs[1], b).new
    assert a.unreleased() == [5] and b.unreleased() == []
    b.hold(5, "drift", NOW)
    assert b.release(5, NOW)
    assert Journal(tmp_path / "journal.sqlite").unreleased() == [5]  # that of a
    assert a.release(5, NOW)
    found = look(configs[0], a)
    assert (found.new, found.late) == ({5: 2}, {})
