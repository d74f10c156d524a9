"""A lazy module is loaded on its first use, and not before."""

import importlib
import inspect
import subprocess
import sys

import cloudpickle
import pytest

from pipeline.evaluation.lazy_imports import UNUSED, import_lazily

LOADED = []  # names of modules that were executed


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package with a module `part`; both add their names to LOADED."""
    name = "lazily_imported"
    code = f"import {__name__} as test\ntest.LOADED.append(__name__)\nnumber = 7\n"
    (tmp_path / name).mkdir()
    for module in ("__init__", "part"):
        (tmp_path / name / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    LOADED.clear()
    yield name
    for module in (name, f"{name}.part"):
        sys.modules.pop(module, None)


def test_a_module_is_loaded_by_its_first_attribute_that_not_each_has(package):
    import_lazily(package, f"{package}.part")
    found = importlib.import_module(package)
    part = importlib.import_module(f"{package}.part")
    inspect.getmodule(test_a_module_is_loaded_by_its_first_attribute_that_not_each_has)
    assert not hasattr(found, "__wrapped__")
    assert found.part is part
    assert LOADED == []
    assert part.number == 7
    assert [f"{package}.part"] == LOADED
    assert found.number == 7
    assert len(LOADED) == 2


def test_all_names_of_a_module_are_imported(package):
    import_lazily(f"{package}.part")
    names = {}
    exec(f"from {package}.part import *", names)
    assert names["number"] == 7


def test_a_function_that_refers_to_a_module_is_pickled(package):
    import_lazily(package)
    module = importlib.import_module(package)
    assert cloudpickle.loads(cloudpickle.dumps(lambda: module))() is module
    assert LOADED == []


def test_modules_that_are_loaded_or_missing_stay_as_they_are(package):
    loaded = importlib.import_module(package)
    import_lazily(package, "no_such_module")
    assert sys.modules[package] is loaded
    assert "no_such_module" not in sys.modules


@pytest.mark.slow
def test_an_evaluation_loads_none_of_the_unused_libraries():
    code = (
        "import os, sys\n"
        "os.environ['TF_USE_LEGACY_KERAS'] = '1'  # as in an evaluation\n"
        "from pipeline.evaluation.lazy_imports import UNUSED, import_lazily\n"
        "import_lazily(*UNUSED)\n"
        "import tensorflow_model_analysis\n"
        "print([name for name in UNUSED if type(sys.modules[name]).__name__ != '_LazyModule'])\n"
        "print('IPython' in sys.modules, 'nltk.corpus' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "False False"]
    assert UNUSED
