import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import CliRunner
from dashboard_story import FIRST, record_everything

from pipeline.cli import main
from pipeline.failures import OutputError
from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.pages import Site
from pipeline.monitoring.dashboard.write import MARK, write


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    return {str(path.relative_to(folder)) for path in found}


def test_all_pages_are_written(story, tmp_path):
    record_everything(story, "text")
    site = story.site()
    assert write(site, tmp_path / "a" / "pages") == len(site.paths())
    assert files(tmp_path / "a" / "pages") == set(site.paths())


def test_an_earlier_dashboard_is_replaced_completely(story, tmp_path):
    out = tmp_path / "pages"
    write(story.site(), out)
    (out / "old.html").touch()
    write(story.site(), out)
    assert files(out) == set(story.site().paths())
    assert {path.name for path in tmp_path.glob(".pages.*")} == {".pages.lock"}


def test_an_empty_folder_is_used_and_one_with_other_files_rejected(story, tmp_path):
    empty, full, file = (tmp_path / name for name in ("empty", "full", "file"))
    empty.mkdir()
    full.mkdir()
    (full / "diary.txt").write_text("mine")
    file.write_text("mine")
    write(story.site(), empty)
    for other in (full, file):
        with pytest.raises(OutputError, match="is not empty and not a dashboard"):
            write(story.site(), other)
    assert (full / "diary.txt").read_text() == file.read_text() == "mine"


def test_what_a_killed_process_left_is_removed(story, tmp_path):
    for name in (".pages.new", ".pages.old"):
        (tmp_path / name / "models").mkdir(parents=True)
        (tmp_path / name / "models" / "1.html").touch()
    write(story.site(), tmp_path / "pages")
    assert files(tmp_path / "pages") == set(story.site().paths())
    assert not list(tmp_path.glob(".pages.[no]*"))


def test_a_failure_leaves_the_earlier_dashboard(story, tmp_path, monkeypatch):
    out = tmp_path / "pages"
    write(story.site(), out)
    before = (out / "index.html").read_bytes()
    site = Site(collect(story.workspace), FIRST + timedelta(days=99))
    monkeypatch.setattr(site, "page", lambda path: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(OutputError, match="No space"):
        write(site, out)
    assert (out / "index.html").read_bytes() == before


@pytest.mark.slow
def test_two_at_once_write_one_whole_dashboard(story, tmp_path):
    record_everything(story, "text")
    site, out = story.site(), tmp_path / "pages"
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: write(story.site(), out), range(8)))
    assert counts == [len(site.paths())] * 8
    assert files(out) == set(site.paths())


def test_the_command_writes_pages_that_others_can_read(story, tmp_path):
    out = tmp_path / "pages"
    mask = os.umask(0o022)
    try:
        arguments = ["dashboard", "--workspace", str(story.workspace.folder), "--out", str(out)]
        result = CliRunner().invoke(main, arguments)
    finally:
        os.umask(mask)
    assert result.output == f"5 pages: {out / 'index.html'}\n"
    assert out.stat().st_mode & 0o777 == 0o755


def test_the_command_reports_an_unusable_folder_in_one_line(story, tmp_path):
    (tmp_path / "diary.txt").touch()
    arguments = ["dashboard", "--workspace", str(story.workspace.folder), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
