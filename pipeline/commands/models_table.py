"""The table of `iadb models`: one line per model."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column

from pipeline.registry.models import RegisteredModel
from pipeline.terminal import cell, make_table, number_column


def print_models(console: Console, models: Sequence[RegisteredModel]) -> None:
    """Prints the models; the span only where there is more than one."""
    spans = len({model.span for model in models}) > 1
    table = make_table(
        number_column("model"),
        Column("trained", no_wrap=True),
        number_column("images"),
        *([number_column("span")] if spans else []),
        number_column("parent"),
        "metrics",
        Column("version", no_wrap=True),
        "state",
    )
    for model in models:
        limited = [name for name in model.limited if name in model.metrics]
        metrics = ", ".join(f"{name} {model.metrics[name]:.4f}" for name in limited)
        table.add_row(
            cell(model.number),
            cell(model.trained, "%Y-%m-%d %H:%M:%S"),
            cell(model.images, ","),
            *([cell(model.span)] if spans else []),
            cell(model.parent),
            cell(metrics or None),
            cell(model.versions[-1] if model.versions else None),
            _state(model),
        )
    console.print(table)


def _state(model: RegisteredModel) -> str:
    states = ["[bold green]live[/]"] if model.live else []
    if model.withdrawn:
        states.append(f"[red]withdrawn[/]: {escape(model.withdrawn)}")
    elif model.promoted:
        who = escape(f"{model.promoted_by}: {model.promoted}")
        states.append(f"[yellow]promoted[/] by {who}")
    elif model.blessed is None:
        states.append("not judged")
    elif model.blessed:
        states.append("[green]blessed[/]")
    else:
        states.append(f"[red]not blessed[/]: {escape(model.reason or 'no reason')}")
    return ", ".join(states)
