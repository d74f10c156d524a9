"""The summary at the end of a run or an evaluation, on the terminal."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column as RichColumn
from rich.table import Table

from components.image_example_gen import names as example_names
from components.sample_evaluator import sources
from components.sample_evaluator.verdict.checks import (
    KEPT,
    LEFT_OUT,
    MISSED,
    Check,
    left_out,
    outcome_of,
    read_checks,
)
from pipeline.console.tables import Column, cell, number, print_table
from pipeline.registry import serving
from pipeline.registry.lineage import Run
from pipeline.results.kept import LATEST, LATEST_STUDENT
from pipeline.workspace import Workspace
from trainer.common.phases import OTHER
from trainer.common.text import printable, quantity

PROMOTED = "looks good"  # the reason in the command for it, for a person to replace
# What may help where a metric is too far on the way to noise (by cause: docs/troubleshooting.md).
BETTER = (
    "train longer (--set train.steps=...), add pictures, or widen the limits (--set "
    "evaluate.limits=loose, without a new training)"
)
# Of a student, whose teacher passes the same limits or has them dropped; docs/distill.md.
CLOSER = (
    "let the student take more steps (--nfe, distill.nfe; without a new training), or "
    "train it longer (iadb distill --steps, or distill.steps)"
)
WORSE = ", or allow it to be worse (--max-worsening, distill.max_worsening)"
COLORS = {KEPT: "green", MISSED: "red", LEFT_OUT: "yellow"}
SHOWN = 0.1  # seconds; a phase that takes less is not named
BESIDE = {sources.SOURCE: "sources", sources.MEAN_ANSWER: "mean answer"}  # of a translation


def print_log(console: Console, log: Path) -> None:
    """Prints where the log of a run is."""
    console.print(f"[dim]log: {escape(str(log))}[/]", soft_wrap=True)


def print_summary(console: Console, run: Run, live: Path | None, workspace: Workspace) -> None:
    """Prints the result of a run: images, drift, metrics, verdict, and where the files are.

    Args:
        console: to print on.
        run: a completed run.
        live: the served version that is the run's model or its student, if it is live.
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
        _prose(console, "Drift", f"[{color}]{escape(run.drift_summary)}[/]")
    if run.metrics:
        print_verdict(console, run.metrics)
    else:
        _row(console, "Verdict", "[red]not blessed[/]")
    print_model(console, run, live, workspace)
    _row(console, "Report", escape(str(workspace.reports / LATEST)))
    if run.student and run.student.metrics:
        print_student(console, run.student, workspace)
    _print_next(console, run, workspace, advice=advise(run.metrics))


def advise(metrics: dict | None) -> str:
    """What may help a model that is not blessed; empty if it depends on the cause."""
    checks = read_checks(metrics) if metrics else ()
    too_far = any(each.by == "max_place" and each.outcome == MISSED for each in checks)
    return BETTER if too_far else ""


def advise_on_student(metrics: dict) -> str:
    """What may help a student that is not blessed; empty if no metric is worse than allowed."""
    missed = [
        each
        for each in read_checks(metrics)
        if each.name in metrics["metrics"] and each.outcome == MISSED
    ]
    only_worse = all(each.by == "max_worsening" and each.value is not None for each in missed)
    return CLOSER + WORSE * only_worse if missed else ""


def print_student(console: Console, student: Run, workspace: Workspace) -> None:
    """Prints the verdict on a student, and how far it is from its teacher.

    Args:
        console: to print on.
        student: a completed run, as `Run.student` has it.
        workspace: of the run.
    """
    metrics = student.metrics
    refused = student.model is not None and not student.blessed
    promoted = refused and serving.find_live(workspace.serving, student.model) is not None
    if student.withdrawn:
        verdict = f"[red]withdrawn[/] ({escape(student.withdrawn)})"
    elif promoted:
        verdict = "not blessed, but promoted: it is live"
    elif student.blessed:
        verdict = "[green]blessed[/]"
    else:
        verdict = "[red]not blessed[/], the live model stays"
    # A student that cannot be sampled has no steps.
    steps = f"{quantity(metrics['nb_step'], 'step')}, " if metrics["nb_step"] else ""
    _prose(console, "Student", f"{steps}{verdict}: {escape('; '.join(metrics['reasons']))}")
    if distance := metrics.get("seed_distance"):
        _prose(console, "", f"the baseline is its teacher: {escape(distance['sentence'])}")
    _row(console, "", escape(str(workspace.reports / LATEST_STUDENT)))
    if not promoted:
        _print_next(console, student, workspace, advice=advise_on_student(metrics))


def _print_next(console: Console, run: Run, workspace: Workspace, advice: str = "") -> None:
    """Prints what follows a rejection: advice, and commands to look at the model and push it."""
    if run.blessed is not False or run.model is None or run.withdrawn:
        return
    if advice:
        _prose(console, "Next", advice)
    _row(console, "" if advice else "Next", "look at its images, or push it all the same:")
    where = ["--workspace", str(workspace.folder)]  # a translator finds its sources there
    sample = ["iadb", "sample", "--model", str(run.model), *where]
    promote = ["iadb", "promote", str(run.model_number), *where, "--reason", PROMOTED]
    for command in (sample, promote):
        _row(console, "", escape(shlex.join(command)))


def print_model(console: Console, run: Run, live: Path | None, workspace: Workspace) -> None:
    """Prints where the model of a run, or its student, is live, or why neither is."""
    if run.withdrawn:
        text = f"[red]withdrawn[/]: {escape(run.withdrawn)}"
    elif live is None:
        text = "not pushed"
    else:
        own = run.model is not None and serving.find_live(workspace.serving, run.model) is not None
        text = escape(str(live)) + ("" if own else ", a student of it")
    _row(console, "Model", text)


def print_verdict(console: Console, metrics: dict) -> None:
    """Prints the metrics and the verdict of an evaluation."""
    _row(console, "Metrics", f"{metrics['samples']:,} samples, {escape(metrics['features'])}")
    print_metrics(console, metrics["metrics"], read_checks(metrics))
    for warning in metrics["warnings"]:
        _prose(console, "Warning", f"[yellow]{escape(warning)}[/]")
    for line in left_out(read_checks(metrics)):
        _prose(console, "Left out", escape(line))
    verdict = "[green]blessed[/]" if metrics["blessed"] else "[red]not blessed[/]"
    _prose(console, "Verdict", f"{verdict}: {escape('; '.join(metrics['reasons']))}")


def print_evaluation(
    console: Console,
    images: list[str],
    metrics: dict,
    seconds: Mapping[str, float],
    report: Path,
) -> None:
    """Prints the result of an evaluation outside a pipeline.

    Args:
        console: to print on.
        images: describe the images, in lines.
        metrics: the content of metrics.json.
        seconds: the time of each phase.
        report: the HTML page.
    """
    console.print()
    for i, line in enumerate(images):
        _row(console, "" if i else "Images", escape(printable(line)))
    print_verdict(console, metrics)
    _prose(console, "Time", describe_seconds(seconds))
    _row(console, "Report", escape(printable(str(report))))


def describe_seconds(seconds: Mapping[str, float]) -> str:
    """The whole time and that of each phase; the time of the shortest ones counts as OTHER."""
    parts = {name: each for name, each in seconds.items() if each >= SHOWN and name != OTHER}
    parts[OTHER] = sum(seconds.values()) - sum(parts.values())
    words = ", ".join(f"{name} {each:.1f} s" for name, each in parts.items())
    return f"{sum(seconds.values()):.1f} s: {words}"


def print_metrics(console: Console, metrics: dict, checks: list[Check]) -> None:
    """Prints one line per metric, in the color of the outcome of its checks.

    The floor is the value of training images as samples; the place is how far from it to noise. Of
    a model that translates, there are also the values of the sources themselves, and of the mean of
    several answers to each.
    """
    beside = {
        key: header
        for key, header in BESIDE.items()
        if any(values.get(key) is not None for values in metrics.values())
    }
    columns = (
        Column(""),
        number("samples"),
        number("baseline", optional=1),
        *(number(header, optional=2) for header in beside.values()),
        number("floor", optional=3),
        number("noise", optional=5),
        number("place", optional=4),
        Column("limits", wraps=10),
    )
    rows = []
    for name, values in metrics.items():
        candidate, *others = (
            _metric(values.get(key)) for key in ("candidate", "baseline", *beside, "train", "noise")
        )
        limits = _limits(values)
        color = COLORS.get(outcome_of(checks, name), "default")
        arrow = "↑" if values["larger_is_better"] else "↓"
        place = cell(values.get("place"), ".1%")
        rows.append((f"{name} {arrow}", f"[{color}]{candidate}[/]", *others, place, limits))
    print_table(console, columns, rows, indent=2)


def _metric(value: float | None) -> str:
    """A value with four decimals, or two from 10, so that the columns stay narrow."""
    return cell(value, ".4f" if value is None or abs(value) < 10 else ",.2f")


def _limits(values: dict) -> str:
    signs = {
        "minimum": "≥ {:g}",
        "maximum": "≤ {:g}",
        "max_place": "place ≤ {:g}",
        "max_worsening": "≤ {:g} worse",
    }
    found = [sign.format(values[key]) for key, sign in signs.items() if values.get(key) is not None]
    return ", ".join(found)


def _row(console: Console, name: str, content: str) -> None:
    """Prints a line that the terminal may break, so that a path in it can be copied."""
    console.print(f"{name:<8} {content}", soft_wrap=True)


def _prose(console: Console, name: str, content: str) -> None:
    """Prints text that is broken between words, below its beginning."""
    grid = Table.grid(RichColumn(width=8), RichColumn(overflow="fold"), padding=(0, 1, 0, 0))
    grid.add_row(name, content)
    console.print(grid)
