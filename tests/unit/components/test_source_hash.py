import shutil

import pytest

from components.source_hash import PROJECT, source_files, source_hash

ROOT = "components.gate.executor"
TREE = {
    "components/__init__.py": "",
    "components/gate/__init__.py": "LIMIT = 1",
    "components/gate/executor.py": '''
        """What the gate does."""
        import numpy
        from components.gate import verdict
        from components.options import GateOptions
        class Executor:
            """Judges."""
            def judge(self):
                """Judges once."""
                from trainer.scale import to_float  # imports late
                return verdict.judge(to_float(1))
        ''',
    "components/gate/verdict.py": "from .limits import LOWEST\nimport trainer.words",
    "components/gate/limits.py": "LOWEST = 1\nMEASURE = 'components.measures.size.width'",
    "components/measures/__init__.py": "",
    "components/measures/size.py": "def width(): return 2",
    "components/gate/page.html.j2": "<p>",
    "components/gate/component.py": "import components.gate.executor",
    "components/options.py": """
        from pydantic import BaseModel, Field
        class GateOptions(BaseModel):
            lowest: int = Field(1, description="of all")
        """,
    "components/other.py": "import components.gate.executor",
    "trainer/__init__.py": "",
    "trainer/scale.py": "def to_float(x): return float(x)",
    "trainer/words.py": "raise RuntimeError('never imported')",
    "pipeline/__init__.py": "",
    "pipeline/cli.py": "from components.gate.component import Gate",
}


@pytest.fixture
def tree(tmp_path):
    """A project with one component."""
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        indentation = "\n        " if text.startswith("\n        ") else "\n"
        path.write_text(text.replace(indentation, "\n"))
    return tmp_path


def replace(tree, name, old, new):
    path = tree / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("components/gate/executor.py", "to_float(1)", "to_float(2)"),
        ("components/gate/__init__.py", "1", "2"),
        ("components/gate/verdict.py", "LOWEST", "HIGHEST"),
        ("components/gate/limits.py", "1", "2"),
        ("components/gate/page.html.j2", "<p>", "<b>"),
        ("components/measures/size.py", "2", "3"),
        ("components/options.py", "Field(1", "Field(2"),
        ("trainer/scale.py", "return float", "return int"),
        ("trainer/words.py", "never", "not"),
    ],
)
def test_changed_code_of_the_module_or_of_what_it_imports_changes_the_hash(tree, name, old, new):
    before = source_hash(ROOT, tree)
    replace(tree, name, old, new)
    assert source_hash(ROOT, tree) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("components/gate/executor.py", '"""What the gate does."""', '"""The gate."""'),
        ("components/gate/executor.py", '"""Judges."""', ""),
        ("components/gate/executor.py", '"""Judges once."""', "'''Judges.'''"),
        ("components/gate/executor.py", "  # imports late", ""),
        ("components/gate/executor.py", "return", "return  \\\n"),
        ("components/options.py", "of all", "of all of them"),
        ("components/gate/component.py", "import", "import numpy,"),
        ("components/other.py", "import", "import numpy,"),
        ("pipeline/cli.py", "import Gate", "import Gates"),
    ],
)
def test_comments_docstrings_descriptions_and_other_modules_do_not_count(tree, name, old, new):
    before = source_hash(ROOT, tree)
    replace(tree, name, old, new)
    assert source_hash(ROOT, tree) == before


def test_a_new_module_counts_from_its_import_on(tree):
    before = source_hash(ROOT, tree)
    (tree / "trainer" / "clip.py").write_text("LOW = -1")
    assert source_hash(ROOT, tree) == before
    (tree / "trainer" / "words.py").write_text("from trainer import clip")
    imported = source_hash(ROOT, tree)
    (tree / "trainer" / "clip.py").write_text("LOW = 0")
    assert len({before, imported, source_hash(ROOT, tree)}) == 3


def test_a_renamed_module_changes_the_hash(tree):
    before = source_hash(ROOT, tree)
    (tree / "components/gate/limits.py").rename(tree / "components/gate/bounds.py")
    replace(tree, "components/gate/verdict.py", ".limits", ".bounds")
    assert source_hash(ROOT, tree) != before


def test_modules_that_import_each_other_are_hashed(tree):
    before = source_hash(ROOT, tree)
    (tree / "components/gate/limits.py").write_text("from components.gate import executor")
    assert source_hash(ROOT, tree) != before


@pytest.mark.parametrize("name", ["components.nothing", "components.gate.executor.judge", "json"])
def test_a_name_of_no_module_of_the_project_is_an_error(tree, name):
    with pytest.raises(ModuleNotFoundError, match=name):
        source_hash(name, tree)


@pytest.mark.parametrize(
    "module",
    [
        "components.data_gate",
        "components.drift_gate.component",
        "components.image_example_gen.executor",
        "components.real_features.component",
        "components.sample_evaluator.executor",
        "components.schema_importer",
        "trainer.preprocessing",
        "trainer.run_fn",
    ],
)
def test_results_depend_on_neither_pipeline_nor_specifications(module):
    files = source_files(module)
    package = module.partition(".")[0]
    assert {file.parts[0] for file in files} <= {package, "trainer"}
    others = [file for file in files if file.with_suffix("").parts != tuple(module.split("."))]
    assert not [file for file in others if file.name in ("component.py", "source_hash.py")]


def test_an_evaluation_depends_on_no_code_of_the_network():
    files = {file.as_posix() for file in source_files("components.sample_evaluator.executor")}
    assert "components/sample_evaluator/report/report.html.j2" in files
    assert "components/features/onnx_network.py" in files
    assert files.isdisjoint({"trainer/iadb.py", "trainer/networks/unet.py", "trainer/train.py"})


def test_a_copy_of_the_project_has_the_same_hash(tmp_path):
    for package in ("components", "trainer"):
        shutil.copytree(PROJECT / package, tmp_path / package)
    module = "components.real_features.component"
    assert source_hash(module, tmp_path) == source_hash(module)
