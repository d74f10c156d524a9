import pytest
from click.testing import CliRunner

from pipeline.cli import main
from trainer.common import exit_codes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "grid.jpg"], "grid.jpg: only .png files are written"),
        (["--gif", "way.png"], "way.png: only .gif files are written"),
        (["--seed", 2**63], "is not in the range"),
    ],
)
def test_what_cannot_be_written_or_drawn_is_refused_at_once(arguments, message):
    result = CliRunner().invoke(main, ["sample", *map(str, arguments)])
    assert result.exit_code == exit_codes.USAGE
    assert message in result.output
