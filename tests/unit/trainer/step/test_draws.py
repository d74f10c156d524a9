import numpy as np
import pytest
import tensorflow as tf

from trainer.step.draws import U_STEEPNESS, draw, u_shaped

SEED = tf.constant([0, 1], tf.int64)


def alphas(density, count=20_000):
    return draw(SEED, tf.constant([count, 1]), density, 0.0).alpha.numpy()


@pytest.mark.parametrize(("density", "middle"), [("uniform", 0.5), ("logit_normal", 0.728)])
def test_the_share_in_the_middle_half_is_that_of_the_density(density, middle):
    alpha = alphas(density)
    assert np.mean(abs(alpha - 0.5) < 0.25) == pytest.approx(middle, abs=0.02)


def test_a_u_shaped_density_has_the_published_form():
    alpha = alphas("u_shaped")
    assert (alpha.min() >= 0, alpha.max() <= 1) == (True, True)
    edges = np.linspace(0, 1, 11)
    counts, _ = np.histogram(alpha, edges)
    whole = np.sinh(U_STEEPNESS * (edges - 0.5))
    expected = np.diff(whole) / (whole[-1] - whole[0])
    np.testing.assert_allclose(counts / len(alpha), expected, atol=0.01)
    assert counts[0] > 2.5 * counts[5]


def test_u_shaped_keeps_both_ends_and_the_middle():
    np.testing.assert_allclose(u_shaped(tf.constant([0.0, 0.5, 1.0])), [0, 0.5, 1], atol=1e-6)
