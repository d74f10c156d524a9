import numpy as np
import pytest
import tensorflow as tf

from trainer.ode.methods import GRIDS, TABLEAUS


@pytest.mark.parametrize("name", TABLEAUS)
def test_a_tableau_is_consistent(name):
    tableau = TABLEAUS[name]
    assert sum(tableau.weights) == pytest.approx(1)
    assert [sum(row) for row in tableau.stages] == pytest.approx(list(tableau.nodes))
    assert [len(row) for row in tableau.stages] == list(range(len(tableau.weights)))


@pytest.mark.parametrize("nb_step", [1, 2, 7, 128])
@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_goes_from_0_to_1_in_positive_steps(name, nb_step):
    alphas = GRIDS[name](tf.range(nb_step + 1.0) / nb_step).numpy()
    assert alphas.dtype == np.float32
    assert alphas[0] == 0.0 and alphas[-1] == 1.0
    assert np.all(np.diff(alphas) > 0)


def test_the_late_grid_shortens_every_step():
    sizes = np.diff(GRIDS["late"](tf.range(33.0) / 32))
    assert np.all(np.diff(sizes) < 0)
    assert sizes[0] * 32 == pytest.approx(1.5, rel=0.02)
    assert sizes[-1] * 32 < 0.2


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_of_arrays_is_that_of_tensors(name):
    alphas = np.arange(129, dtype=np.float32) / np.float32(128)
    of_arrays = GRIDS[name](alphas)
    assert of_arrays.dtype == np.float32
    np.testing.assert_allclose(of_arrays, GRIDS[name](tf.constant(alphas)), atol=1e-7)
