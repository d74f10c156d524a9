"""What `iadb models` prints: a line a model."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.registry.models import Model


def print_models(console: Console, models: Sequence[Model]) -> None:
    """Prints the models; the span only where there is more than one."""
    spans = len({model.span for model in models}) > 1
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("model", justify="right")
    table.add_column("trained", no_wrap=True)
    table.add_column("images", justify="right")
    if spans:
        table.add_column("span", justify="right")
    table.add_column("parent", justify="right")
    table.add_column("metrics")
    table.add_column("version", no_wrap=True)
    table.add_column("state")
    for model in models:
        limited = [name for name in model.limited if name in model.metrics]
        metrics = ", ".join(f"{name} {model.metrics[name]:.4f}" for name in limited)
        images = "–" if model.images is None else f"{model.images:,}"
        cells = [_text(model.number), f"{model.trained:%Y-%m-%d %H:%M:%S}", images]
        cells += [_text(model.span)] if spans else []
        version = model.versions[-1] if model.versions else None
        cells += [_text(model.parent), _text(metrics or None), _text(version), _state(model)]
        table.add_row(*cells)
    console.print(table)


def _state(model: Model) -> str:
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


def _text(value: int | str | None) -> str:
    return "–" if value is None else escape(str(value))
