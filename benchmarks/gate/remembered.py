"""Results of pure functions of arrays, kept in a file: the numbers of images that did not change.

The limits of the gate decide none of these, so other limits are tried within minutes.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from components.metrics import CATALOG
from components.metrics.arrays import MetricError
from components.metrics.fidelity_and_diversity import FidelityAndDiversity
from components.metrics.kinds import Kind, Kinds
from components.sample_evaluator.measure import kinds, metrics

FILE = "remembered.json"
ERROR = "error"


class Remembered:
    """Results by the digest of a function's code and arguments."""

    def __init__(self, folder: Path) -> None:
        """Reads the file if there is one."""
        self._path = folder / FILE
        self._found: dict[str, Any] = {}
        if self._path.is_file():
            self._found = json.loads(self._path.read_text())

    def save(self) -> None:
        """Writes the file."""
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._found))
        part.rename(self._path)

    def install(self) -> None:
        """Puts functions that remember in the place of the metrics, in this process."""
        for metric in CATALOG.values():
            function = metric.function
            module = sys.modules[function.__module__]
            setattr(module, function.__name__, self._wrap(function))
        metrics.fidelity_and_diversity = self._wrap(
            metrics.fidelity_and_diversity, FidelityAndDiversity._make
        )
        kinds.class_shares = self._wrap(kinds.class_shares, _read_kinds)

    def _wrap(
        self,
        function: Callable[..., Any],
        read: Callable[[Any], Any] = lambda found: found,
    ) -> Callable[..., Any]:
        """Makes a function of arrays remember; `read` makes its result of what JSON returns."""
        name = f"{function.__name__} {_code_behind(function.__module__)}"

        def remembering(*arguments: ArrayLike) -> Any:
            digest = hashlib.sha256(name.encode())
            for array in map(np.ascontiguousarray, arguments):
                digest.update(f"{array.shape} {array.dtype}".encode())
                digest.update(array.view(np.uint8))
            key = digest.hexdigest()[:32]
            if key not in self._found:
                try:
                    self._found[key] = function(*arguments)
                except MetricError as error:
                    self._found[key] = {ERROR: str(error)}
            found = self._found[key]
            if isinstance(found, dict):
                raise MetricError(found[ERROR])
            return read(found)

        return remembering


def _code_behind(module: str) -> str:
    """The digest of a module of the metrics and of those whose functions or classes it uses.

    `source_hash` hashes all metrics for each of them, since it follows their package's __init__.
    """
    found, waiting = set(), [module]
    while waiting:
        found.add(name := waiting.pop())
        used = {getattr(value, "__module__", None) for value in vars(sys.modules[name]).values()}
        waiting += [
            each for each in used - found if each and each.startswith("components.metrics.")
        ]
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(Path(sys.modules[name].__file__).read_bytes())
    return digest.hexdigest()


def _read_kinds(found: list[Any]) -> Kinds:
    kinds = Kinds(*found)
    return kinds._replace(kinds=tuple(Kind(*kind) for kind in kinds.kinds))
