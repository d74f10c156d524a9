import importlib
import inspect
import json
import subprocess
import sys

import pytest

from data import registry
from data.errors import DataError

HEAVY = ["tensorflow", "tfx", "sklearn", "scipy", "PIL", "numpy", "rich"]
OTHERS = {"pipeline", "components", "trainer"}


def imported_by(*modules):
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return json.loads(done.stdout)


def other_packages(modules):
    """Returns the modules of the project outside data/, except the helpers in trainer/common/."""
    others = {module for module in modules if module.partition(".")[0] in OTHERS}
    return {each for each in others if not f"{each}.".startswith("trainer.common.")} - {"trainer"}


@pytest.mark.parametrize("name", registry.DATASETS)
def test_every_dataset_has_a_module_that_writes(name):
    parameters = inspect.signature(importlib.import_module(f"data.{name}").write).parameters
    assert list(parameters) == ["folder", "source"]


def test_a_name_selects_its_module(tmp_path):
    with pytest.raises(DataError, match="no file nowhere"):
        registry.write("emoji", tmp_path, "nowhere")


def test_an_unknown_name_is_a_one_line_error_with_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match=r"^no dataset 'cifar': expected one of digits, .*flowers102$"
    ):
        registry.write("cifar", tmp_path)


def test_the_registry_imports_nothing_heavy():
    imported = imported_by("data.registry")
    assert not {*HEAVY, *other_packages(imported)}.intersection(imported)


def test_the_datasets_import_neither_the_other_packages_nor_tensorflow_nor_scikit_learn():
    modules = [f"data.{name}" for name in registry.DATASETS]
    imported = imported_by(*modules)
    unwanted = {*other_packages(imported), "tensorflow", "tfx", "sklearn", "scipy"}
    assert not unwanted.intersection(imported)
