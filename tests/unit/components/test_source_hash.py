import shutil
import sys
from pathlib import Path

import pytest

import trainer
from components.source_hash import source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the trainer under another name."""
    folder = tmp_path / "copied_trainer"
    shutil.copytree(Path(trainer.__file__).parent, folder)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("copied_trainer", None)


def test_equal_sources_have_equal_hashes(package):
    assert source_hash("copied_trainer") == source_hash("trainer")


def test_a_changed_line_changes_the_hash_of_the_package_and_of_its_module_only(package):
    whole, part, other = (
        source_hash(name)
        for name in ("copied_trainer", "copied_trainer.networks.unet", "copied_trainer.step.ema")
    )
    with (package / "networks" / "unet.py").open("a") as file:
        file.write("# changed\n")
    assert source_hash("copied_trainer") != whole
    assert source_hash("copied_trainer.networks.unet") != part
    assert source_hash("copied_trainer.step.ema") == other


def test_files_that_are_no_source_do_not_count(package):
    before = source_hash("copied_trainer")
    (package / "networks" / "unet.pyc").write_bytes(b"compiled")
    assert source_hash("copied_trainer") == before


def test_a_name_that_is_nothing_is_an_error():
    with pytest.raises(ModuleNotFoundError):
        source_hash("trainer.nothing")
