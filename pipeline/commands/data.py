"""The commands `iadb data`."""

from pathlib import Path

import click

from pipeline.commands.shared_options import UserPath
from trainer.common.text import quantity


@click.group()
def data() -> None:
    """Write known datasets as image folders."""


@data.command("list")
def list_datasets() -> None:
    """List the datasets and their licenses."""
    from data.registry import DATASETS
    from pipeline.console.tables import Column, cell, make_console, print_table, text

    columns = Column("dataset"), text("images"), text("license")
    rows = [(cell(name), *map(cell, about)) for name, about in DATASETS.items()]
    print_table(make_console(), columns, rows)


@data.command()
@click.argument("name")
@click.argument("folder", type=UserPath())
@click.option("--source", help="Local copy or URL of the dataset's archive or folder.")
def write(name: str, folder: Path, source: str | None) -> None:
    """Write dataset NAME to FOLDER."""
    from data import registry

    count = registry.write(name, folder, source)
    others = sum(path.is_file() for path in folder.rglob("*")) - count
    beside = f", beside {quantity(others, 'other file')}" if others > 0 else ""
    click.echo(f"{quantity(count, 'image')} in {folder}{beside}")
