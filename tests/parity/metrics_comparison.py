"""Compares the metrics with the output of metrics_reference.py.

    python tests/parity/metrics_comparison.py PYTHON

PYTHON is the interpreter of an environment with the references, which `make parity` creates.
Prints one line per number, and fails if two numbers differ.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.metrics.fidelity_and_diversity import fidelity_and_diversity
from components.metrics.frechet_distance import frechet_distance
from components.metrics.kid import kid, kid_over_subsets

MAX_RELATIVE_ERROR = 1e-6
MAKE_REFERENCE = Path(__file__).with_name("metrics_reference.py")
SET = "many"
NEAREST_K, SUBSETS, SUBSET_SIZE, SEED = 5, 10, 50, 2020  # as in metrics_reference.py


class Comparison(NamedTuple):
    """A number of this project and the reference's."""

    name: str
    ours: float
    reference: float

    @property
    def is_equal(self) -> bool:
        """Whether the numbers differ by at most MAX_RELATIVE_ERROR."""
        return math.isclose(self.ours, self.reference, rel_tol=MAX_RELATIVE_ERROR)


def compare(path: Path) -> Iterator[Comparison]:
    """Recomputes each number in an archive from the features in the archive."""
    with np.load(path, allow_pickle=False) as archive:
        content = dict(archive)
    for pair in sorted({name.split("/")[0] for name in content}):
        values = compute(content.pop(f"{pair}/real"), content.pop(f"{pair}/generated"))
        for name, reference in content.items():
            if name.startswith(f"{pair}/"):
                yield Comparison(name, values[name.split("/")[-1]], float(reference))


def compute(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """Computes the numbers of this project, by their names in the archive.

    Args:
        real: [N, d].
        generated: [M, d].
    """
    rows = min(len(real), len(generated))
    subsets = kid_over_subsets(real, generated, SUBSETS, SUBSET_SIZE, SEED)
    return {
        "frechet_distance": frechet_distance(real, generated),
        "kid": kid(real[:rows], generated[:rows]),
        "kid_over_subsets_mean": subsets.mean,
        "kid_over_subsets_stddev": subsets.stddev,
        **fidelity_and_diversity(real, generated, NEAREST_K)._asdict(),
    }


def main(reference_python: str) -> None:
    """Creates the references in a temporary folder and compares all numbers."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([reference_python, MAKE_REFERENCE, folder, SET], check=True)
        found = list(compare(Path(folder, f"{SET}.npz")))
    for name, ours, reference in found:
        print(f"{name:>45}: {ours:.10g} (reference {reference:.10g})")
    if failed := [comparison.name for comparison in found if not comparison.is_equal]:
        sys.exit(f"not equal to the reference within {MAX_RELATIVE_ERROR}: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1])
