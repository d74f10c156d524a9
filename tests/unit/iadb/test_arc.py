import numpy as np

from iadb.arc import arc


def test_noise_on_the_way_is_as_strong_as_at_its_ends():
    first, last = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    norms = np.linalg.norm(arc(first, last, 5).reshape(5, -1), axis=1)
    np.testing.assert_allclose(norms, norms.mean(), rtol=0.05)
    np.testing.assert_allclose(arc(first, first, 3), [first] * 3)
