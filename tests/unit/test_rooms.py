"""Which room of the project may import which, and how large a room may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("components", "data", "iadb", "pipeline", "trainer")
FILES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in (PROJECT / package).rglob("*.py")
}
# From the lowest: each imports itself and those below it. `names` and `options` are the modules of
# these names in any room of the pipeline, and what they are made of.
LAYERS = (
    "names",
    "trainer",
    "data",
    "components",
    "pipeline.metadata",
    "pipeline.addresses pipeline.console pipeline.failures pipeline.logs pipeline.workspace",
    "pipeline.config.unknown_keys pipeline.config.yaml_text",
    "pipeline.config.values",
    "options",
    "pipeline.registry pipeline.runners",
    "pipeline.config",
    "pipeline.drawing pipeline.features pipeline.results pipeline.schema",
    "pipeline.distillation.nodes",
    "pipeline.choosing",
    "pipeline.graph",
    "pipeline.held_out pipeline.space",
    "pipeline.cluster pipeline.evaluation pipeline.monitoring pipeline.run pipeline.translation",
    "pipeline.distillation pipeline.export",
    "iadb pipeline.serve pipeline.unattended",
    "pipeline.commands",
    "pipeline.cli",
)
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms.split()}
OPTIONS = {"options", "config"}  # last parts of modules in the rooms of runners
COMPONENTS = {  # what each imports beside itself; `names` and single modules are open to all
    "atomic_pusher": {"resolvers"},
    "drift_gate": {"features"},
    "features": set(),
    "image_example_gen": set(),
    "image_trainer": {"resolvers"},
    "images": {"features", "metrics"},
    "metrics": set(),
    "real_features": {"features", "images", "metrics"},
    "resolvers": set(),
    "sample_evaluator": {"features", "images", "metrics", "real_features"},
}
MAX_MODULES = 20


def read_imports(path):
    """The modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else node.module for name in names}
    return found


IMPORTS = {module: read_imports(path) for module, path in FILES.items()}
OWN = {
    (module, imported)
    for module, names in IMPORTS.items()
    for imported in names
    if imported.partition(".")[0] in PACKAGES
}


def libraries_of(modules):
    """The packages beside the standard library that modules import."""
    found = {name.partition(".")[0] for module in modules for name in IMPORTS[module]}
    return found - sys.stdlib_module_names


def is_options(module):
    name = module.rpartition(".")[2]
    return name == "options" or (".runners." in module and name in OPTIONS)


def room(module):
    if module.endswith(".names"):
        return "names"
    if module.startswith("pipeline.") and is_options(module):
        return "options"
    return next((r for r in RANKS if f"{module}.".startswith(f"{r}.")), module)


def test_rooms_import_those_below_them():
    wrong = {
        (module, imported)
        for module, imported in OWN
        if RANKS[room(imported)] > RANKS[room(module)]
        or (RANKS[room(imported)] == RANKS[room(module)] and room(imported) != room(module))
    }
    assert not wrong


def test_components_import_those_that_they_are_made_of():
    wrong = set()
    for module, imported in OWN:
        if module.startswith("components.") and imported.startswith("components."):
            component, other = module.split(".")[1], imported.split(".")[1]
            allowed = {component, *COMPONENTS.get(component, ())}
            if other in COMPONENTS and other not in allowed and not imported.endswith(".names"):
                wrong.add((module, imported))
    assert not wrong
    rooms = {path.parent.name for path in (PROJECT / "components").glob("*/__init__.py")}
    assert COMPONENTS.keys() == rooms


def test_metrics_know_arrays_alone():
    libraries = libraries_of(m for m in FILES if m.startswith("components.metrics"))
    assert libraries == {"numpy", "scipy", "sklearn", "threadpoolctl", "components"}


def test_nothing_is_unpickled():
    counts_cores = {"pipeline.choosing.machine"}  # by joblib, and does nothing else with it
    assert not libraries_of(FILES.keys() - counts_cores) & {"cloudpickle", "dill", "joblib"}
    # Of a file whose digest is checked, by an unpickler that knows tensors alone.
    others = {
        name: found
        for name, found in IMPORTS.items()
        if name != "components.features.lite0_weights"
    }
    modules = {name.partition(".")[0] for names in others.values() for name in names}
    assert not modules & {"marshal", "pickle", "shelve"}


def test_options_are_made_of_pydantic_and_the_standard_library():
    for module in filter(is_options, FILES):
        below, waiting = set(), [module]
        while waiting:
            below.add(name := waiting.pop())
            waiting += (each for each in IMPORTS[name] if each in FILES and each not in below)
        assert libraries_of(below) <= {"pydantic", *PACKAGES}, module


def test_a_look_at_the_records_starts_neither_tfx_nor_tensorflow():
    rooms = ("metadata", "registry", "drawing", "monitoring", "unattended")
    rooms = tuple(f"pipeline.{room}" for room in rooms)
    modules = [module for module in FILES if module.startswith(rooms)]
    program = f"""import importlib, sys
for name in {modules}:
    importlib.import_module(name)
    assert not {{"tfx", "tensorflow"}} & sys.modules.keys(), name
"""
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True)


@pytest.mark.parametrize("executor", ["real_features.component", "sample_evaluator.executor"])
def test_executors_with_a_process_of_their_own_need_no_components_of_tfx(executor):
    below, waiting = set(), [f"components.{executor}"]
    while waiting:
        below.add(name := waiting.pop())
        waiting += (each for each in IMPORTS[name] if each in FILES and each not in below)
    slow = ("tfx.components", "tfx.types.standard_component_specs", "tfx.v1")  # by seconds
    assert not {name for module in below for name in IMPORTS[module] if name.startswith(slow)}


@pytest.mark.parametrize("package", ["components", "pipeline", "trainer"])
def test_a_folder_has_about_a_dozen_modules(package):
    folders = [path.parent for path in FILES.values() if path.name == "__init__.py"]
    sizes = {
        str(folder.relative_to(PROJECT)): len([*folder.glob("*.py")]) - 1
        for folder in folders
        if folder.is_relative_to(PROJECT / package)
    }
    assert not {f: n for f, n in sizes.items() if n > MAX_MODULES}


def test_no_two_modules_import_each_other():
    """Neither at once nor when they are used; a package and what is in it may."""
    modules = {name for name in FILES if FILES[name].name != "__init__.py"}
    assert not {pair for pair in OWN if pair[::-1] in OWN and modules.issuperset(pair)}
