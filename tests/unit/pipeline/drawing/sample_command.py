"""`iadb sample` as a person calls it."""

from pathlib import Path

from click.testing import CliRunner, Result

from pipeline.cli import main


def iadb_sample(model: Path, folder: Path, *args: object) -> Result:
    """Draws with a model; writes grid.png and way.gif to the folder."""
    files = ("-o", folder / "grid.png", "--gif", folder / "way.gif")
    return CliRunner().invoke(main, [*map(str, ("sample", "--model", model, *files, *args))])
