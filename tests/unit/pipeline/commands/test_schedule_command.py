import json
from datetime import datetime, timezone

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.registry.journal import Journal
from pipeline.registry.names import Outcome
from pipeline.workspace import Workspace
from trainer.common import exit_codes

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=timezone.utc)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def journal(workspace, tmp_path):
    return Journal(workspace.journal, str(tmp_path / "data"))


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def spans(data, workspace, *args):
    place = ("--data", data, "--workspace", workspace.folder)
    return iadb("spans", *place, "--set", "data.pattern=span-{SPAN}", *args)


def test_spans_are_listed_with_their_states(tmp_path, workspace, journal):
    for span, count in ((1, 2), (2, 1), (3, 3), (4, 1)):
        (tmp_path / "data" / f"span-{span}").mkdir(parents=True)
        for number in range(count):
            (tmp_path / "data" / f"span-{span}" / f"{number}.png").write_bytes(b"")
    journal.remember({1: b"", 2: b"12345678"})
    journal.hold(3, "[red]drift", NOW)
    journal.hold(4, "drift", NOW)
    journal.release(4, NOW)
    result = spans(tmp_path / "data", workspace, "--set", "data.window=0")
    assert [line.strip().split(maxsplit=3) for line in result.output.splitlines()[1:]] == [
        ["1", "span-1", "2", "trained, 2 late"],
        ["2", "span-2", "1", "trained, 1 new"],
        ["3", "span-3", "–", "held: [red]drift"],
        ["4", "span-4", "1", "1 new, released"],
    ]
    listed = json.loads(spans(tmp_path / "data", workspace, "--json").output)
    assert [span["state"] for span in listed][:2] == [
        "trained, 2 late, outside data.window",
        "trained, 1 new, outside data.window",
    ]


def test_a_span_whose_images_lack_their_sources_is_not_called_empty(tmp_path, workspace):
    for name in ("data/span-1/a.png", "data/span-2/a.png", "sources/span-1/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    result = spans(tmp_path / "data", workspace, "--set", f"data.source={tmp_path / 'sources'}")
    assert [line.strip().split(maxsplit=3) for line in result.output.splitlines()[1:]] == [
        ["1", "span-1", "1", "1 new"],
        ["2", "span-2", "0", "no image with its source"],
    ]


def test_listing_spans_or_history_writes_nothing(tmp_path, workspace):
    (tmp_path / "data" / "span-1").mkdir(parents=True)
    workspace.artifacts.mkdir(parents=True)
    assert spans(tmp_path / "data", workspace).exit_code == 0
    result = iadb("history", "--workspace", workspace.folder)
    assert result.output == f"nothing has happened in {workspace.folder}\n"
    assert list(workspace.folder.iterdir()) == [workspace.artifacts]


def test_a_held_span_is_released_once(workspace, journal):
    for span in (3, 5):
        journal.hold(span, "drift", NOW)
    result = iadb("spans", "release", 3, 5, "--workspace", workspace.folder)
    assert result.output == (
        "released: 3, 5; the next check reads them if they are within data.window\n"
    )
    assert all(span.released for span in journal.held_spans().values())
    journal.hold(5, "drift", NOW)
    result = iadb("spans", "release", 5, 3, "--workspace", workspace.folder)
    assert result.exit_code == exit_codes.USAGE
    assert "span 3 is not held; held: 5" in result.output
    assert journal.held_spans()[5].released is None


def test_the_history_shows_how_each_check_ended(workspace, journal):
    number = journal.begin("schedule", {"text": "2 new images"}, NOW)
    journal.end(number, Outcome.FAILED, "the disk [broke]", NOW, exit_code=1, tries=3)
    journal.begin("check", {"text": "1 new image"}, NOW)
    first, second = iadb("history", "--workspace", workspace.folder).output.splitlines()[1:]
    assert first.split()[3:] == ["schedule", "3", "failed", "the", "disk", "[broke]"]
    assert "running, or cut off" in second and "1 new image" in second
    listed = json.loads(iadb("history", "--json", "--workspace", workspace.folder).output)
    assert [attempt["outcome"] for attempt in listed] == ["failed", None]
    listed = json.loads(
        iadb("history", "--json", "--last", 1, "--workspace", workspace.folder).output
    )
    assert [attempt["number"] for attempt in listed] == [2]


def test_a_check_takes_no_option_of_an_attended_run(tmp_path):
    result = iadb("run", "--if-new-data", "--verbose", "--data", tmp_path)
    assert result.exit_code == exit_codes.USAGE
    assert "--if-new-data cannot be combined with" in result.output


def test_a_check_fails_and_keeps_nothing_while_no_image_is_complete(tmp_path, workspace, journal):
    data = tmp_path / "data"
    data.mkdir()
    run = ("run", "--if-new-data", "--data", data, "--workspace", workspace.folder)
    assert iadb(*run).exit_code == 0  # images will come
    (data / "a.png").write_bytes(b"\x89PNG")
    result = iadb(*run)
    assert result.exit_code == exit_codes.DATA
    assert "none of the image files that were opened can be read" in result.output
    assert not workspace.chosen.exists()
    *_, check = journal.attempts()
    assert (check.outcome, check.tries) == (Outcome.FAILED, 0)
    assert journal.unreleased() == []
