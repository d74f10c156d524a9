"""Modules that libraries import and that nothing here uses, loaded on their first use only."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# Natural language metrics of TFMA, and IPython, which TFMA's views and the progress bars of Beam's
# BigQuery client need. They take a sixth of the time of all imports.
UNUSED = (
    "nltk",
    "nltk.stem",
    "nltk.stem.porter",
    "tensorflow_model_analysis.view",
    "tqdm.notebook",
)


def import_lazily(*names: str) -> None:
    """Makes later imports of modules return at once; what is installed only is affected.

    `importlib.util.LazyLoader` does not suffice: its modules are loaded as soon as a library asks
    each module for its file, as `inspect` does.

    Args:
        names: of modules, a package before what it contains.
    """
    for name in names:
        spec = None if name in sys.modules else _find(name)
        if spec:
            module = importlib.util.module_from_spec(spec)
            module.__class__ = _LazyModule
            sys.modules[name] = module


def _find(name: str) -> ModuleSpec | None:
    """Finds a module without importing the packages that it is in."""
    spec, path, parts = None, None, name.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


class _LazyModule(ModuleType):
    """A module that is loaded when an attribute is asked for that each module does not have.

    What a package contains is imported without loading the package.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # which `import *` asks for
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        contained = f"{self.__name__}.{name}"
        if contained in sys.modules or PathFinder.find_spec(
            contained, self.__dict__.get("__path__", ())
        ):
            return importlib.import_module(contained)
        self.__class__ = ModuleType
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """Lets what refers to the module be pickled, as cloudpickle does with any module."""
        return importlib.import_module, (self.__name__,)
