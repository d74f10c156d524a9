import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer.step.coupling import optimal_transport


def test_optimal_transport_pairs_noise_and_data_at_the_least_cost():
    generator = np.random.default_rng(1)
    x0 = np.float32(generator.normal(size=(6, 2)))
    x1 = np.float32(generator.normal((3.0, -1.0), 0.1, (6, 2)))
    paired = optimal_transport(tf.constant(x0), tf.constant(x1)).numpy()
    costs = [np.sum((x0[list(order)] - x1) ** 2) for order in itertools.permutations(range(6))]
    assert np.sum((paired - x1) ** 2) == pytest.approx(min(costs), rel=1e-5)
    assert sorted(paired.tolist()) == sorted(x0.tolist())
