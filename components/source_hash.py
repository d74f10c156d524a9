"""A hash of source files: what tells TFX's cache that the code behind a component has changed."""

from __future__ import annotations

import hashlib
from importlib import resources


def source_hash(*names: str) -> str:
    """Hashes modules and packages.

    Args:
        names: dotted names; of a package, every .py file and template in it counts.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in names:
        package, _, module = name.rpartition(".")
        file = resources.files(package or name) / f"{module}.py"
        root = file if package and file.is_file() else resources.files(name)
        for path in _files(root):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(root: resources.abc.Traversable) -> list[resources.abc.Traversable]:
    if root.is_file():
        return [root] if root.name.endswith((".py", ".j2")) else []
    children = sorted(root.iterdir(), key=lambda path: path.name)
    return [file for child in children for file in _files(child)]
