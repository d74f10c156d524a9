"""Every table at 60, 80 and 120 columns, and in a pipe: nothing is cut off."""

import io
import re
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.text import Text

from pipeline.cli import main
from pipeline.console.tables import (
    UNLIMITED,
    Column,
    cell,
    make_console,
    number,
    print_table,
    text,
)
from pipeline.registry.journal import Journal
from pipeline.registry.names import Outcome
from pipeline.results.summary import print_verdict
from pipeline.workspace import Workspace
from tests.recorded import Recorded

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
REASON = (
    "kid 0.05312 is over 0.02; coverage 0.713 is worse than the baseline's 0.9021 by more than "
    "chance explains (0.0431)"
)
COLUMNS = number("id"), text("message"), number("tries", optional=1), Column("state", optional=2)
ROWS = [
    ("1", "the disk was full", "3", "failed"),
    ("12", "a much longer message that wraps", "1", "done"),
]

at_widths = pytest.mark.parametrize("width", [60, 80, 120])


def printed(width, function, *args):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    function(console, *args)
    return console.file.getvalue()


def iadb(*args, width=None):
    """The output of a command on a terminal of that width, or in a pipe."""
    env = {"FORCE_COLOR": "1", "COLUMNS": str(width)} if width else {}
    result = CliRunner(env=env).invoke(main, list(map(str, args)))
    assert result.exit_code == 0, result.output
    return Text.from_ansi(result.output).plain


def fits(output, width):
    assert max(map(len, output.splitlines())) <= width
    assert "…" not in output and "..." not in output
    return True


def words(output):
    return re.sub(r"\s+", " ", output)


def metrics(*, holdout=False):
    names = "kid frechet_distance precision recall"
    names = [*names.split(), "density", "coverage"]
    names += ["kid@holdout", "frechet_distance@holdout", "coverage@holdout"] if holdout else []
    values = {
        "candidate": 0.0023912,
        "baseline": 12.345,
        "train": -0.00091,
        "noise": 145.8909,
        "minimum": None,
        "maximum": None,
        "max_worsening": None,
        "place": 0.0123,
        "max_place": None,
        "larger_is_better": False,
    }
    limited = {**values, "maximum": 0.02, "max_worsening": 0.0}
    return {
        "samples": 1000,
        "features": "efficientnet_lite0",
        "blessed": True,
        "reasons": ["kid 0.002391 is at most 0.02"] * 4,
        "warnings": [],
        "checks": [],
        "metrics": {name: limited if name == "kid" else values for name in names},
    }


@at_widths
@pytest.mark.parametrize("holdout", [False, True])
def test_the_metrics_keep_samples_and_limits_in_any_width(width, holdout):
    output = printed(width, print_verdict, metrics(holdout=holdout))
    assert fits(output, width)
    assert re.search(r"kid ↓ +0\.0024 +12\.35 .*≤ 0\.02, ≤", output)
    assert "1,000 samples, efficientnet_lite0" in output


@pytest.mark.parametrize(("holdout", "width"), [(False, 80), (True, 90)])
def test_all_numbers_of_the_metrics_fit_eighty_columns_or_ninety_with_long_names(holdout, width):
    output = printed(width, print_verdict, metrics(holdout=holdout))
    assert "too narrow" not in output
    assert re.search(r"kid ↓ +0\.0024 +12\.35 +-0\.0009 +145\.89 +1\.2% +≤ 0\.02, ≤", output)


def test_a_narrow_terminal_names_the_columns_it_leaves_out():
    assert "too narrow for: noise, place" in printed(60, print_verdict, metrics())


def test_optional_columns_are_left_out_before_rows_are_stacked():
    table = COLUMNS, ROWS
    assert printed(60, print_table, *table).count("\n") == 3
    assert "too narrow for: state" in printed(30, print_table, *table)
    assert "too narrow for: tries, state" in words(printed(24, print_table, *table))
    stacked = [line.split() for line in printed(20, print_table, *table).splitlines()]
    assert stacked[0] == ["id", "1"]
    assert ["tries", "3"] in stacked and ["state", "done"] in stacked


def test_a_pipe_has_each_row_in_one_line_whatever_its_length():
    message = "very long " * 100
    row = ("1", cell(message), "3", "failed")
    lines = printed(UNLIMITED, print_table, COLUMNS, [row]).splitlines()
    assert len(lines) == 2
    assert message.strip() in lines[1]


def test_a_cell_is_never_markup():
    assert "[red]x" in printed(80, print_table, [Column("[b]h")], [(cell("[red]x"),)])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Models with long reasons, runs and checks."""
    workspace = Workspace(tmp_path_factory.mktemp("tables") / "workspace")
    workspace.folder.mkdir()
    recorded = Recorded(workspace.metadata, workspace.artifacts)
    first = recorded.run(span=3)
    recorded.push(first, workspace.serving)
    recorded.run(span=4, base=first, blessed=False, reason=REASON, kid=0.05312)
    journal = Journal(workspace.journal)
    attempt = journal.begin("schedule", {"text": "240 new images"}, NOW)
    journal.end(attempt, Outcome.NOT_BLESSED, REASON, NOW, exit_code=5, tries=1)
    return workspace


@at_widths
def test_models_have_their_metrics_and_reasons_in_any_width(workspace, width):
    output = iadb("models", "--workspace", workspace.folder, width=width)
    assert fits(output, width)
    assert "kid 0.0531" in output and "explains" in output
    assert REASON in words(output) or width > 60


@at_widths
def test_runs_have_their_metrics_in_any_width(workspace, width):
    assert fits(iadb("runs", "--workspace", workspace.folder, width=width), width)


@at_widths
def test_the_history_has_its_messages_in_any_width(workspace, width):
    output = iadb("history", "--workspace", workspace.folder, width=width)
    assert fits(output, width)
    assert "explains" in output


@at_widths
def test_spans_have_their_reasons_in_any_width(workspace, tmp_path, width):
    folder = tmp_path / "data" / "2026" / "03" / "01"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(b"")
    Journal(workspace.journal).hold(20513, REASON, NOW)
    where = ("--data", tmp_path / "data", "--workspace", workspace.folder)
    output = iadb("spans", *where, "--set", "data.pattern='{YYYY}/{MM}/{DD}'", width=width)
    assert fits(output, width)
    assert "20513" in output


@at_widths
def test_datasets_have_their_licenses_in_any_width(width):
    output = iadb("data", "list", width=width)
    assert fits(output, width)
    assert "8,189 color flowers in 102 classes" in words(output) or width < 120
    assert "none stated" in words(output)


@pytest.mark.parametrize(("command", "rows"), [("models", 2), ("runs", 2), ("history", 3)])
def test_a_piped_table_has_one_line_per_row(workspace, command, rows):
    output = iadb(command, "--workspace", workspace.folder)
    assert len(output.splitlines()) == 1 + rows
    assert REASON in output or command == "runs"


def test_text_is_printed_as_it_is(capsys):
    console = make_console()
    console.print("schema.pbtxt:100: bad, /data/:cat:/x", markup=False)
    print_table(console, [Column("path")], [[cell("/data/:cat:/a:b:c")]])
    assert capsys.readouterr().out.split("\n")[0::2][:2] == [
        "schema.pbtxt:100: bad, /data/:cat:/x",
        "/data/:cat:/a:b:c",
    ]


def test_a_reader_that_leaves_ends_no_run():
    program = (
        "import sys, time\n"
        "from pipeline.console.tables import make_console\n"
        "console = make_console()\n"
        "time.sleep(0.5)\n"
        "for _ in range(3): console.print('line')\n"
        "print('more')\n"
        "sys.exit(7)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait() == 7
