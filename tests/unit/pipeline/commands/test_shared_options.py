import pytest
from click.testing import CliRunner

from pipeline.cli import main
from trainer.common import exit_codes


@pytest.mark.parametrize("command", ["config show", "run", "clean"])
def test_an_empty_name_of_a_configuration_is_not_the_working_directory(command):
    result = CliRunner().invoke(main, [*command.split(), "--config="])
    assert result.exit_code == exit_codes.USAGE
    assert "'--config': is empty; name a path, or leave it out" in result.output


@pytest.mark.parametrize("other", ["data.folder=b", "data={folder: b}"])
def test_two_image_folders_are_refused(other):
    result = CliRunner().invoke(main, ["run", "--data", "a", "--set", other])
    assert result.exit_code == exit_codes.USAGE
    assert "--data and --set data.folder name two folders; give one" in result.output
