"""The divergence between scalars, whatever their distribution."""

import numpy as np
import pytest

from components.drift_gate import comparison
from components.drift_gate.comparison import compare
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import SCALARS, Sample
from components.drift_gate.scalar_divergence import scalar_divergences


def scalars(seed, count, width=640, size=22_000):
    """Scalars of images in files of about a size; float64 [count, 5]."""
    random = np.random.RandomState(seed)
    columns = {
        "mean": random.normal(100, 20, count),
        "stddev": random.normal(50, 8, count),
        "source_width": np.full(count, width),
        "source_height": np.full(count, 480),
        "source_bytes": size * np.exp(0.4 * random.standard_normal(count)),
    }
    return np.stack([columns[name] for name in SCALARS], axis=1)


def drifted(newest, reference, monkeypatch):
    """The names of the scalars that drifted."""
    monkeypatch.setattr(comparison, "DIVISIONS", 8)
    both = [
        Sample("", np.arange(len(each)), each, np.random.RandomState(0).randn(len(each), 4))
        for each in (newest, reference)
    ]
    found = compare(*both, DriftOptions())
    return [each.name for each in found if each.name in SCALARS and each.drifted]


def test_divergences_are_0_for_equal_constants_and_1_for_different_ones():
    found = scalar_divergences(scalars(1, 50, width=1280), scalars(0, 80))
    assert found["source_width"] == pytest.approx(1)
    assert found["source_height"] == 0


def test_a_change_that_is_small_beside_the_values_is_no_drift(monkeypatch):
    newest, reference = scalars(0, 300), scalars(1, 1000)
    width = SCALARS.index("source_width")
    newest[::2, width], reference[::2, width] = 1200, 1200
    newest[:, width] += 1
    assert not drifted(newest, reference, monkeypatch)


def test_a_rare_width_that_becomes_usual_is_drift(monkeypatch):
    newest, reference = scalars(0, 300), scalars(1, 1000)
    width = SCALARS.index("source_width")
    newest[:150, width], reference[:100, width] = 1200, 1200
    assert drifted(newest, reference, monkeypatch) == ["source_width"]


@pytest.mark.parametrize("earlier", [[], [2e7], [2e7] * 30])
def test_smaller_files_are_found_whatever_outliers_there_were(earlier, monkeypatch):
    reference = scalars(1, 1000)
    reference[: len(earlier), SCALARS.index("source_bytes")] = earlier
    assert drifted(scalars(0, 300, size=5_500), reference, monkeypatch) == ["source_bytes"]
    assert not drifted(scalars(2, 300), reference, monkeypatch)


def test_an_outlier_among_new_images_is_no_drift(monkeypatch):
    newest = scalars(0, 300)
    newest[0] = [255, 0, 12_000, 9_000, 2e7]
    assert not drifted(newest, scalars(1, 1000), monkeypatch)
