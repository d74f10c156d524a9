"""Hashes the code behind a component, so that TFX's cache misses when that code changes.

The code is a module and everything of the project that it imports, directly or indirectly. Imports
are read from the syntax trees; no module is imported. Strings that are dotted names of components,
as in the table of metrics, count as imports. Comments, docstrings and the descriptions of
options decide no result and do not count.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

PROJECT = Path(__file__).parent.parent
COMPONENT = re.compile(r"components(\.\w+){2,}")
PACKAGES = {"components", "data", "pipeline", "trainer"}


def source_hash(module: str, project: Path = PROJECT) -> str:
    """Hashes a module and all that it imports.

    Args:
        module: dotted name, for example `trainer.run_fn`.
        project: the folder that holds the project's packages.

    Returns:
        16 hexadecimal digits.

    Raises:
        ModuleNotFoundError: the project has no such module.
    """
    digest = hashlib.sha256()
    for file in source_files(module, project):
        content = (project / file).read_bytes()
        code = _parse(content, _package(file))[0].encode() if file.suffix == ".py" else content
        digest.update(file.as_posix().encode() + b"\0" + code + b"\0")
    return digest.hexdigest()[:16]


def source_files(module: str, project: Path = PROJECT) -> list[Path]:
    """Lists the files that `source_hash` hashes, sorted, relative to the project.

    These are the module, the project's modules that it imports (also inside functions), the
    `__init__.py` of each package on the way, and the templates (*.j2) beside any of them. Of
    names that are looked up by their text, those that stand in full in a string are followed.

    Raises:
        ModuleNotFoundError: the project has no such module.
    """
    waiting = list(_resolve(module, project))
    if not waiting or _name(waiting[-1]) != module:
        raise ModuleNotFoundError(f"no module named {module!r}", name=module)
    found = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            _, imports = _parse((project / file).read_bytes(), _package(file))
            waiting += (each for name in imports for each in _resolve(name, project))
    folders = {project / file.parent for file in found}
    templates = {file.relative_to(project) for f in folders for file in f.glob("*.j2")}
    return sorted(found | templates)


def _name(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def _package(file: Path) -> str:
    return ".".join(file.parent.parts)


def _resolve(name: str, project: Path) -> Iterator[Path]:
    """The files that importing a dotted name runs; a name in a module leads to that module."""
    parts = name.split(".")
    folder = Path()
    if parts[0] not in PACKAGES:
        return
    for part in parts:
        if (project / folder / part / "__init__.py").is_file():
            folder /= part
            yield folder / "__init__.py"
        else:
            if (project / folder / f"{part}.py").is_file():
                yield folder / f"{part}.py"
            return


@cache
def _parse(source: bytes, package: str) -> tuple[str, frozenset[str]]:
    """The code in a form without comments and docstrings, and the names that it imports."""
    tree = ast.parse(source)
    imports = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                imports.update(alias.name for alias in node.names)
            case ast.ImportFrom():
                origin = resolve_name("." * node.level + (node.module or ""), package)
                imports.update(f"{origin}.{alias.name}" for alias in node.names)
            case ast.Constant(value=str() as text) if COMPONENT.fullmatch(text):
                imports.add(text)
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    del node.body[0]
            case ast.Call(func=ast.Name(id="Field")):
                node.keywords = [each for each in node.keywords if each.arg != "description"]
    return ast.dump(tree), frozenset(imports)
