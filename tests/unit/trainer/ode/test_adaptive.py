import numpy as np
import pytest
import tensorflow as tf

from trainer.ode import solvers

ADAPTIVE = [name for name, solver in solvers.SOLVERS.items() if solver.adaptive]
X0 = tf.reshape(tf.linspace(0.05, 0.95, 60), [3, 20])


def field(x, alpha):
    """dx/dalpha = 2 alpha x (1 - x): logistic growth in alpha squared."""
    return 2.0 * alpha[:, tf.newaxis] * x * (1.0 - x)


def exact(x0):
    return np.float64(x0) * np.e / (1.0 + np.float64(x0) * (np.e - 1.0))


def stiff(x, alpha):
    """Rows approach cos(20 alpha), the faster the larger their initial value."""
    speed = x[:, 1:]
    pull = speed * (tf.cos(20.0 * alpha)[:, tf.newaxis] - x[:, :1])
    return tf.concat([pull, tf.zeros_like(speed)], 1)


def solve(name, tolerance, field=field, x=X0, nb_step=1000, **kwargs):
    solver = solvers.get(name, rtol=tolerance, atol=tolerance)
    return solvers.solve(solver, field, x, tf.constant(nb_step), **kwargs)


@pytest.mark.parametrize("name", ADAPTIVE)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_the_error_stays_below_the_tolerance_in_both_directions(name, tolerance):
    x1 = exact(X0)
    forward = solve(name, tolerance).x
    assert np.all(np.abs(forward - x1) < tolerance * (1 + np.abs(x1)))
    backward = solve(name, tolerance, x=tf.constant(x1, tf.float32), backward=True).x
    # Backward, errors near x1 grow by up to (1 + x0 (e - 1))^2 / e.
    assert np.all(np.abs(backward - X0) < 2 * tolerance * (1 + np.abs(X0)))


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_lower_tolerance_costs_more_evaluations(name):
    x = tf.constant([[0.5, 30.0]])
    costs = [int(solve(name, tolerance, stiff, x).nfe[0]) for tolerance in (1e-2, 1e-3, 1e-4)]
    assert costs[0] < costs[1] < costs[2]


def test_a_higher_order_costs_less_at_a_low_tolerance():
    assert np.max(solve("dopri5", 1e-6).nfe) < np.max(solve("bosh3", 1e-6).nfe)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_result_and_cost_of_a_row_do_not_depend_on_its_batch(name):
    x = tf.constant([[0.0, 1.0], [0.5, 30.0], [3.0, 8.0]])
    together = solve(name, 1e-3, stiff, x)
    assert len(set(together.nfe.numpy())) > 1  # the rows take different numbers of steps
    for i in range(3):
        alone = solve(name, 1e-3, stiff, x[i : i + 1])
        np.testing.assert_allclose(alone.x[0], together.x[i], rtol=1e-5, atol=1e-6)
        assert alone.nfe[0] == together.nfe[i]


@pytest.mark.parametrize("name", ADAPTIVE)
def test_rejected_steps_are_retried_with_a_shorter_size(name):
    tried = []

    def bump(x, alpha):
        tried.append(float(alpha[0]))
        return 40.0 / (1.0 + (40.0 * (alpha[:, tf.newaxis] - 0.6)) ** 2) + 0.0 * x

    x1 = solve(name, 1e-3, bump, tf.zeros([1, 1])).x
    np.testing.assert_allclose(x1, np.arctan(16) + np.arctan(24), atol=5e-3)
    assert np.any(np.diff(tried) < -0.05)  # it went too far and returned


@pytest.mark.parametrize("nb_step", [1, 2, 9])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_the_end_is_reached_within_the_maximum_of_steps_even_if_the_tolerance_is_not(name, nb_step):
    solver = solvers.get(name, rtol=1e-7, atol=1e-7)
    ends = []

    def counting(x, alpha):
        ends.append(float(alpha[0]))
        return field(x, alpha)

    solution = solvers.solve(solver, counting, X0, tf.constant(nb_step))
    assert len(ends) == np.max(solution.nfe) == solvers.nfe(solver, nb_step)
    assert ends[-1] == 1.0
    np.testing.assert_allclose(solution.x, exact(X0), atol=0.05)


def test_a_row_of_nan_does_not_affect_the_others():
    broken = tf.constant([[np.nan, 1.0], [0.3, 0.9]])
    together = solve("bosh3", 1e-3, x=broken, nb_step=20)
    alone = solve("bosh3", 1e-3, x=broken[1:], nb_step=20)
    np.testing.assert_array_equal(together.x[1], alone.x[0])
    assert np.isnan(together.x[0, 0])
