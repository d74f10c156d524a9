import numpy as np
import pytest
import tensorflow as tf

from trainer import solvers

X0 = tf.constant([[0.1], [0.3], [2.0]])


def field(x, alpha):
    """dx/dalpha = 2 alpha x (1 - x): logistic growth in alpha squared."""
    return 2.0 * alpha * x * (1.0 - x)


def exact(x0):
    """The solution at alpha = 1."""
    x0 = np.float64(x0)
    return x0 * np.e / (1.0 + x0 * (np.e - 1.0))


def error(solver, nb_step):
    x1 = solvers.solve(solver, field, X0, tf.constant(nb_step))
    return float(np.abs(x1 - exact(X0)).max())


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_halving_the_step_reduces_the_error_by_the_order_of_the_solver(name):
    solver = solvers.SOLVERS[name]
    coarse = 4 if solver.order > 2 else 16  # float32 leaves no room below about 1e-6
    observed = np.log2(error(solver, coarse) / error(solver, 2 * coarse))
    assert observed == pytest.approx(solver.order, abs=0.35)


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_a_tableau_is_consistent(name):
    solver = solvers.SOLVERS[name]
    assert sum(solver.weights) == pytest.approx(1)
    assert [sum(row) for row in solver.stages] == pytest.approx(list(solver.nodes))
    assert len(solver.weights) == len(solver.stages) == solver.nfe_per_step


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_solving_costs_the_stated_network_evaluations(name):
    calls = []

    def counting(x, alpha):
        calls.append(float(alpha))
        return field(x, alpha)

    solver = solvers.SOLVERS[name]
    x = X0
    for i in range(3):
        x = solvers.step(solver, counting, x, tf.constant(i / 3), tf.constant(1 / 3))
    assert len(calls) == 3 * solver.nfe_per_step
    assert min(calls) == 0.0
    assert max(calls) <= 1.0 + 1e-6


def test_backward_undoes_forward():
    rk4 = solvers.SOLVERS["rk4"]
    x1 = solvers.solve(rk4, field, X0, tf.constant(32))
    x0 = solvers.solve(rk4, field, x1, tf.constant(32), backward=True)
    np.testing.assert_allclose(x0, X0, atol=1e-5)


def test_the_trajectory_starts_at_x0_and_ends_where_solve_does():
    euler = solvers.SOLVERS["euler"]
    states = solvers.trajectory(euler, field, X0, tf.constant(7))
    assert states.shape == (8, 3, 1)
    np.testing.assert_array_equal(states[0], X0)
    np.testing.assert_allclose(states[-1], solvers.solve(euler, field, X0, tf.constant(7)))


def test_one_trace_serves_any_number_of_steps():
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([], tf.int32)])
    def run(x, nb_step):
        traces.append(1)
        return solvers.solve(solvers.SOLVERS["heun"], field, x, nb_step)

    for nb_step in (1, 5, 50):
        run(X0, tf.constant(nb_step))
    assert len(traces) == 1
