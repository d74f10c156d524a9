import numpy as np
import pytest
import tensorflow as tf

from trainer.ode.runge_kutta import step
from trainer.ode.tableaus import TABLEAUS


@pytest.mark.parametrize("name", TABLEAUS)
def test_a_tableau_is_consistent(name):
    tableau = TABLEAUS[name]
    assert sum(tableau.weights) == pytest.approx(1)
    assert [sum(row) for row in tableau.stages] == pytest.approx(list(tableau.nodes))
    assert [len(row) for row in tableau.stages] == list(range(len(tableau.weights)))


def error(tableau, nb_step):
    """Solves dx/dalpha = 2 alpha x (1 - x), logistic growth in alpha^2, to alpha = 1; float64."""
    x = x0 = tf.constant([[0.1], [0.3], [2.0]], tf.float64)
    size = tf.fill([3], tf.constant(1 / nb_step, tf.float64))
    for i in range(nb_step):
        x = step(tableau, lambda x, a: 2 * a[:, tf.newaxis] * x * (1 - x), x, i * size, size)
    return np.abs(x - x0 * np.e / (1 + x0 * (np.e - 1))).max()


def observed_order(tableau):
    return np.log2(error(tableau, 64) / error(tableau, 128))


@pytest.mark.parametrize("name", TABLEAUS)
def test_halving_the_step_reduces_the_error_by_the_order(name):
    assert observed_order(TABLEAUS[name]) == pytest.approx(TABLEAUS[name].order, abs=0.15)


def test_every_row_steps_from_its_own_alpha_by_its_own_size():
    def field(x, alpha):
        return x * alpha[:, tf.newaxis]

    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    alpha, size = tf.constant([0.0, 0.5]), tf.constant([0.25, -0.5])
    together = step(TABLEAUS["rk4"], field, x, alpha, size)
    for i in range(2):
        alone = step(TABLEAUS["rk4"], field, x[i : i + 1], alpha[i : i + 1], size[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i])
    # x(alpha) = x(alpha_0) exp((alpha^2 - alpha_0^2) / 2)
    np.testing.assert_allclose(together[0], x[0] * np.exp(0.25**2 / 2), rtol=1e-5)
    np.testing.assert_allclose(together[1], x[1] * np.exp(-(0.5**2) / 2), rtol=1e-3)
