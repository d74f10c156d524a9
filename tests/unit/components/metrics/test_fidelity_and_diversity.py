"""Precision, recall, density and coverage against plain loops, at ties and in known cases."""

import numpy as np
import pytest

from components.metrics import CATALOG, neighbors
from components.metrics.arrays import MetricError
from components.metrics.fidelity_and_diversity import NEAREST_K, fidelity_and_diversity


def naive(real, generated, k):
    def radii(points):
        return [
            sorted(np.linalg.norm(x - y) for j, y in enumerate(points) if j != i)[k - 1]
            for i, x in enumerate(points)
        ]

    real_radii, generated_radii = radii(real), radii(generated)
    table = [[np.linalg.norm(x - y) for y in generated] for x in real]
    n, m = len(real), len(generated)
    inside_real = [[table[i][j] < real_radii[i] for j in range(m)] for i in range(n)]
    inside_generated = [[table[i][j] < generated_radii[j] for j in range(m)] for i in range(n)]
    return (
        sum(any(inside_real[i][j] for i in range(n)) for j in range(m)) / m,
        sum(any(row) for row in inside_generated) / n,
        sum(map(sum, inside_real)) / (k * m),
        sum(any(row) for row in inside_real) / n,
    )


@pytest.mark.parametrize(("n", "m", "d", "k"), [(6, 6, 1, 1), (40, 25, 2, 5), (30, 50, 20, 3)])
def test_equals_the_loops_of_the_definitions(n, m, d, k):
    rng = np.random.default_rng(n)
    real, generated = rng.standard_normal((n, d)), 0.8 * rng.standard_normal((m, d)) + 0.2
    found = fidelity_and_diversity(real, generated, k)
    assert found == pytest.approx(naive(real, generated, k), rel=1e-12)
    assert 0 < found.precision < 1 or d != 2


def test_a_point_on_a_border_is_outside():
    real = np.arange(10.0)[:, None]  # the ball of each inner row reaches to its two neighbors
    found = fidelity_and_diversity(real, real + 0.0, k=2)
    assert found == naive(real, real, 2)
    assert found.density == pytest.approx((8 + 2 + 2 * (1 + 0)) / (2 * 10))
    between = np.array([[-1.0], [10.0], [11.0]])
    assert fidelity_and_diversity(real, between, k=2).precision == pytest.approx(1 / 3 * 2)


@pytest.mark.parametrize("rows", [1, 7, 1024])  # of a block
@pytest.mark.parametrize("scale", [1 / 127.5, 1e-6, 3e7])
def test_neither_blocks_nor_units_decide_on_ties(rows, scale, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK_MIB", (rows + 0.5) * 90 * 8 / 2**20)
    rng = np.random.default_rng(1)  # few distances are possible, so that many are equal
    real, generated = rng.integers(0, 3, (90, 6)), rng.integers(0, 3, (70, 6))
    expected = naive(real, generated, 3)
    scaled = scale * (real - 1), scale * (generated - 1)
    assert fidelity_and_diversity(*scaled, 3) == pytest.approx(expected, rel=1e-12)


def test_copies_of_one_image_are_in_no_ball_but_that_of_others():
    rng = np.random.default_rng(2)
    real = rng.integers(0, 100, (30, 4)).astype(float)
    real[:10] = real[0]  # a ball of radius 0, which holds nothing
    assert fidelity_and_diversity(real, real.copy(), 5) == pytest.approx(naive(real, real, 5))


def test_equal_distributions_have_a_density_near_one():
    rng = np.random.default_rng(3)
    found = fidelity_and_diversity(rng.standard_normal((1500, 3)), rng.standard_normal((1500, 3)))
    assert found.density == pytest.approx(1, abs=0.05)
    # Naeem et al. 2020, equation 9: for equal distributions, at N = M and large N
    assert found.coverage == pytest.approx(1 - 1 / 2**NEAREST_K, abs=0.02)
    assert found.precision > 0.9
    assert found.recall > 0.9


def test_missing_modes_cost_recall_and_coverage_but_no_precision():
    rng = np.random.default_rng(4)
    modes = rng.integers(0, 4, (2, 800))
    real, generated = (20 * np.eye(4)[found] + rng.standard_normal((800, 4)) for found in modes)
    all_modes = fidelity_and_diversity(real, generated)
    one_mode = fidelity_and_diversity(real, generated[modes[1] == 0])
    assert one_mode.precision == pytest.approx(all_modes.precision, abs=0.05)
    assert one_mode.recall < 0.35 < 0.8 < all_modes.recall
    assert one_mode.coverage < 0.35 < 0.8 < all_modes.coverage


def test_samples_far_away_have_none_of_the_four():
    real = np.random.default_rng(5).standard_normal((50, 4))
    assert fidelity_and_diversity(real, real + 100) == (0, 0, 0, 0)


def test_the_catalog_holds_each_of_the_four():
    rng = np.random.default_rng(6)
    real, generated = rng.standard_normal((60, 3)), 0.5 * rng.standard_normal((60, 3))
    for name, value in fidelity_and_diversity(real, generated)._asdict().items():
        assert CATALOG[name].function(real, generated) == value
        assert CATALOG[name].larger_is_better


def test_rejects_fewer_rows_than_neighbors():
    real, few = np.random.default_rng(7).standard_normal((2, 50, 3))
    with pytest.raises(MetricError, match="5 images are too few for the 5th nearest neighbor"):
        fidelity_and_diversity(real, few[:5])
    assert np.isfinite(fidelity_and_diversity(real, few[:6])).all()
