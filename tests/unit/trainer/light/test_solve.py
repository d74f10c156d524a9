import numpy as np
import pytest
import tensorflow as tf

from trainer.light.solve import Method, solve, trajectory
from trainer.ode import solvers
from trainer.ode.methods import GRIDS

X0 = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
RATES = np.array([0.1, 1, 2, 4, 40], np.float32)[:, None, None]


def field(x, alpha):
    """A field far from linear but bounded, for tensors and arrays."""
    return RATES * alpha[:, None, None] * x / (1.0 + x**2)


def pair(name, grid):
    return Method(name, grid), solvers.get(name, grid)


@pytest.mark.parametrize("nb_step", [1, 2, 7, 60])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_states_are_those_of_tensorflow(name, grid, nb_step):
    ours, theirs = pair(name, grid)
    x0, steps = tf.constant(X0), tf.constant(nb_step)
    found = trajectory(ours, field, X0, nb_step)
    assert (found.shape, found.dtype) == ((nb_step + 1, *X0.shape), np.float32)
    expected = solvers.trajectory(theirs, field, x0, steps).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(solve(ours, field, X0, nb_step), found[-1])


def test_no_rows_are_solved_to_none():
    assert solve(pair("heun", "late")[0], lambda x, _: x, X0[:0], 4).shape == (0, 2, 3)
