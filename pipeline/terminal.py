"""Output of runs on the terminal: one line per node, the summary at the end, and tables."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Column, Table

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from pipeline.registry.lineage import Run
from pipeline.workspace import Workspace

WITH_PROGRESS = {trainer_names.NODE}  # nodes with a progress bar of their own
FILE_WIDTH = 160  # characters, if the output is not a terminal


def wide_console() -> Console:
    """A console on standard output; if that is not a terminal, it is wide enough for tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=FILE_WIDTH)


def make_table(*columns: str | Column, indent: int = 0) -> Table:
    """A table without lines; a column given by its header folds long text."""
    made = [Column(each, overflow="fold") if isinstance(each, str) else each for each in columns]
    return Table(*made, box=None, padding=(0, 2, 0, indent), header_style="dim")


def number_column(header: str) -> Column:
    """A column of numbers."""
    return Column(header, justify="right")


def cell(value: object, form: str = "") -> str:
    """The text of a cell: the value in a format, escaped, or a dash for None."""
    return "–" if value is None else escape(f"{value:{form}}")


class NodeLines:
    """Prints a line for each node when it finishes; on a terminal, a spinner while it runs.

    Attributes:
        run_ids: TFX's ids of the runs whose nodes have started.
        error: what the failed node raised, or None.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.run_ids: list[str] = []
        self.error: BaseException | None = None
        self._spinner: Status | None = None

    def started(self, node_id: str, run_id: str) -> None:
        """Shows that the node runs."""
        if run_id not in self.run_ids:
            self.run_ids.append(run_id)
        if self.console.is_terminal and node_id not in WITH_PROGRESS:
            self._spinner = self.console.status(node_id)
            self._spinner.start()

    def finished(self, node_id: str, seconds: float, *, cached: bool) -> None:
        """Prints that the node succeeded."""
        self._line("[green]✓[/]", node_id, "[dim]cached[/]" if cached else f"{seconds:.1f} s")

    def failed(self, node_id: str, seconds: float, error: BaseException) -> None:
        """Prints that the node failed; the reason comes last, after all lines."""
        self.error = error
        what = "interrupted" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "failed"
        self._line("[red]✗[/]", node_id, f"[red]{what}[/] after {seconds:.1f} s")

    def _line(self, mark: str, node_id: str, text: str) -> None:
        if self._spinner:
            self._spinner.stop()
            self._spinner = None
        self.console.print(f"{mark} {node_id:<18} {text}")


def print_summary(console: Console, run: Run, live: Path | None, workspace: Workspace) -> None:
    """Prints the result of a run: images, drift, metrics, verdict, and where the files are.

    Args:
        console: to print on.
        run: a completed run.
        live: the served version that is the run's model, if it is live.
        workspace: of the run.
    """
    console.print()
    accepted, rejected = run.images(example_names.ACCEPTED), run.images(example_names.REJECTED)
    text = f"{accepted:,} accepted ({run.images(example_names.DUPLICATES):,} of them duplicates)"
    text += f", {rejected:,} rejected"
    if rejected:
        text += f": {escape(str(run.rejected_report))}"
    _row(console, "Images", text)
    for remark in run.image_remarks:
        _row(console, "", escape(remark))
    if run.drift_summary:
        color = "yellow" if run.drifted else "default"
        _row(console, "Drift", f"[{color}]{escape(run.drift_summary)}[/]")
    if run.metrics:
        print_verdict(console, run.metrics)
    else:
        _row(console, "Verdict", "[red]not blessed[/]")
    if run.withdrawn:
        _row(console, "Model", f"[red]withdrawn[/]: {escape(run.withdrawn)}")
    else:
        _row(console, "Model", escape(str(live)) if live else "not pushed")
    _row(console, "Report", escape(str(workspace.reports / "latest.html")))


def print_verdict(console: Console, metrics: dict) -> None:
    """Prints the metrics and the verdict of an evaluation."""
    console.print(metrics_table(metrics))
    verdict = "[green]blessed[/]" if metrics["blessed"] else "[red]not blessed[/]"
    _row(console, "Verdict", f"{verdict}: {escape('; '.join(metrics['reasons']))}")


def print_evaluation(
    console: Console, images: list[str], metrics: dict, times: str, report: Path
) -> None:
    """Prints the result of an evaluation outside a pipeline; `images` describes them in lines."""
    console.print()
    for i, line in enumerate(images):
        _row(console, "" if i else "Images", escape(line))
    print_verdict(console, metrics)
    _row(console, "Time", times)
    _row(console, "Report", escape(str(report)))


def metrics_table(metrics: dict) -> Table:
    """The metrics of an evaluation; the floor is the value of training images as samples."""
    table = make_table(
        Column(f"{metrics['samples']:,} samples, {metrics['features']}", no_wrap=True),
        *map(number_column, ("samples", "baseline", "floor", "noise")),
        Column("limits", no_wrap=True),
        indent=2,
    )
    for name, values in metrics["metrics"].items():
        numbers = [values[key] for key in ("candidate", "baseline", "train", "noise")]
        cells = ["–" if value is None else f"{value:.4f}" for value in numbers]
        limits = _limits(values)
        color = ("green" if values["passed"] else "red") if limits else "default"
        arrow = "↑" if values["larger_is_better"] else "↓"
        table.add_row(f"{name} {arrow}", f"[{color}]{cells[0]}[/]", *cells[1:], limits)
    return table


def _limits(values: dict) -> str:
    signs = {"minimum": "≥ {:g}", "maximum": "≤ {:g}", "max_worsening": "≤ {:g} worse"}
    found = [sign.format(values[key]) for key, sign in signs.items() if values[key] is not None]
    return ", ".join(found)


def _row(console: Console, name: str, text: str) -> None:
    console.print(f"{name:<8} {text}", soft_wrap=True)
