"""Real images, scikit-learn's digits; and what a Beam pipeline keeps in memory."""

import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer, ListBuffer
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """All digits in a fixed random order, uint8 [1797, 8, 8, 1]."""
    images = np.round(load_digits().images / 16 * 255).astype(np.uint8)[..., None]
    return np.random.default_rng(0).permutation(images)


@pytest.fixture
def kept_bytes(monkeypatch):
    """Runs a function; returns the bytes that Beam's in-process runner kept between stages.

    The runner keeps all output of a stage that another one needs until the pipeline ends.
    """
    counts = []

    def counting(append):
        def count_and_append(buffer, elements):
            counts.append(len(elements))
            append(buffer, elements)

        return count_and_append

    for kind in (ListBuffer, GroupingBuffer):
        monkeypatch.setattr(kind, "append", counting(kind.append))

    def run(work):
        counts.clear()
        work()
        return sum(counts)

    return run
