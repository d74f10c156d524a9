import numpy as np
import pytest
import tensorflow as tf

from trainer.ode import methods, solvers
from trainer.ode.methods import GRIDS, TABLEAUS

X0 = tf.constant([[0.1], [0.3], [2.0]])


def field(x, alpha):
    """dx/dalpha = 2 alpha x (1 - x): logistic growth in alpha squared."""
    return 2.0 * alpha[:, tf.newaxis] * x * (1.0 - x)


def exact(x0, alpha=1.0):
    growth = np.exp(np.float64(alpha) ** 2)
    x0 = np.float64(x0)
    return x0 * growth / (1.0 + x0 * (growth - 1.0))


def error(solver, nb_step):
    x0 = tf.cast(X0, tf.float64)
    x1 = solvers.solve(solver, field, x0, tf.constant(nb_step))
    return np.abs(x1 - exact(x0)).max()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", methods.SOLVERS)
def test_halving_the_steps_reduces_the_error_by_the_order_on_every_grid(name, grid):
    solver = methods.get(name, grid)
    observed = np.log2(error(solver, 64) / error(solver, 128))
    assert observed == pytest.approx(solver.tableau.order, abs=0.1)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", methods.SOLVERS)
def test_solving_costs_the_stated_network_evaluations(name, backward):
    calls = []

    def counting(x, alpha):
        calls.append(alpha.numpy())
        return field(x, alpha)

    solver = methods.get(name)
    solvers.solve(solver, counting, X0, tf.constant(50), backward=backward)
    assert len(calls) == 50 * solver.nfe_per_step
    assert np.min(calls) >= 0.0 and np.max(calls) <= 1.0
    assert np.all(calls[0] == (1.0 if backward else 0.0))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("euler", 0.2),
        ("midpoint", 2e-3),
        ("heun", 2e-3),
        ("rk4", 1e-5),
    ],
)
def test_backward_undoes_forward(name, grid, tolerance):
    solver = methods.get(name, grid)
    x1 = solvers.solve(solver, field, X0, tf.constant(32))
    x0 = solvers.solve(solver, field, x1, tf.constant(32), backward=True)
    np.testing.assert_allclose(x0, X0, atol=tolerance)


@pytest.mark.parametrize("grid", GRIDS)
def test_backward_steps_over_the_same_grid(grid):
    def alphas(backward):
        seen = []

        def watching(x, alpha):
            seen.append(float(alpha[0]))
            return field(x, alpha)

        solvers.solve(methods.get("heun", grid), watching, X0, tf.constant(5), backward=backward)
        return np.array(seen)

    np.testing.assert_allclose(alphas(backward=True), alphas(backward=False)[::-1], atol=1e-6)
    expected = GRIDS[grid](tf.range(6.0) / 5)
    np.testing.assert_allclose(np.unique(alphas(backward=False).round(6)), expected, atol=1e-6)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_trajectory_holds_the_states_at_the_alphas_of_the_grid(grid):
    solver = methods.get("rk4", grid)
    states = solvers.trajectory(solver, field, X0, tf.constant(40))
    assert states.shape == (41, 3, 1)
    alphas = GRIDS[grid](tf.range(41.0) / 40).numpy()
    np.testing.assert_allclose(states, [exact(X0, alpha) for alpha in alphas], atol=1e-5)
    np.testing.assert_array_equal(states[0], X0)
    np.testing.assert_array_equal(states[-1], solvers.solve(solver, field, X0, tf.constant(40)))


@pytest.mark.parametrize("name", methods.SOLVERS)
@pytest.mark.parametrize("function", [solvers.solve, solvers.trajectory])
def test_one_trace_serves_any_number_of_steps_and_rows(function, name):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([], tf.int32)])
    def run(x, nb_step):
        traces.append(1)
        return function(methods.SOLVERS[name], field, x, nb_step)

    for nb_step, rows in ((1, 3), (5, 2), (50, 1)):
        compiled = run(X0[:rows], tf.constant(nb_step))
        eager = function(methods.SOLVERS[name], field, X0[:rows], tf.constant(nb_step))
        np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    assert len(traces) == 1


def loop_variables(function, name):
    """Returns the loop variables of the graph, for states of a known size."""

    @tf.function(input_signature=[tf.TensorSpec([7, 1]), tf.TensorSpec([], tf.int32)])
    def run(x, nb_step):
        return function(methods.SOLVERS[name], field, x, nb_step)

    operations = run.get_concrete_function().graph.get_operations()
    (loop,) = (op for op in operations if op.type in ("While", "StatelessWhile"))
    return list(loop.inputs)


@pytest.mark.parametrize("name", methods.SOLVERS)
def test_memory_grows_with_the_steps_only_for_a_trajectory(name):
    carried = loop_variables(solvers.solve, name)
    assert all(t.dtype != tf.variant and t.shape.num_elements() <= 7 for t in carried)
    kept = loop_variables(solvers.trajectory, name)
    assert any(t.dtype == tf.variant for t in kept)  # the lists of all states


def test_zero_steps_are_rejected():
    with pytest.raises(tf.errors.InvalidArgumentError, match="nb_step must be at least 1"):
        solvers.solve(methods.SOLVERS["euler"], field, X0, tf.constant(0))


def test_every_row_steps_from_its_own_alpha_by_its_own_size():
    def growth(x, alpha):
        return x * alpha[:, tf.newaxis]

    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    alpha, size = tf.constant([0.0, 0.5]), tf.constant([0.25, -0.5])
    together = methods.step(TABLEAUS["rk4"], growth, x, alpha, size, tf.add_n)
    for i in range(2):
        alone = methods.step(
            TABLEAUS["rk4"], growth, x[i : i + 1], alpha[i : i + 1], size[i : i + 1], tf.add_n
        )
        np.testing.assert_allclose(alone[0], together[i])
    # x(alpha) = x(alpha_0) exp((alpha^2 - alpha_0^2) / 2)
    np.testing.assert_allclose(together[0], x[0] * np.exp(0.25**2 / 2), rtol=1e-5)
    np.testing.assert_allclose(together[1], x[1] * np.exp(-(0.5**2) / 2), rtol=1e-3)
