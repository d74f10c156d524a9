import numpy as np
import pytest
import tensorflow as tf

from trainer.light.solve import solve, trajectory
from trainer.ode import methods, solvers
from trainer.ode.methods import GRIDS

X0 = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
RATES = np.array([0.1, 1, 2, 4, 40], np.float32)[:, None, None]


def field(x, alpha):
    """A field far from linear but bounded, for tensors and arrays."""
    return RATES * alpha[:, None, None] * x / (1.0 + x**2)


@pytest.mark.parametrize("nb_step", [1, 2, 7, 60])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", methods.SOLVERS)
def test_states_are_those_of_tensorflow(name, grid, nb_step):
    solver = methods.get(name, grid)
    x0, steps = tf.constant(X0), tf.constant(nb_step)
    found = trajectory(solver, field, X0, nb_step)
    assert (found.shape, found.dtype) == ((nb_step + 1, *X0.shape), np.float32)
    expected = solvers.trajectory(solver, field, x0, steps).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(solve(solver, field, X0, nb_step), found[-1])


def test_no_rows_are_solved_to_none():
    assert solve(methods.get("heun", "late"), lambda x, _: x, X0[:0], 4).shape == (0, 2, 3)
