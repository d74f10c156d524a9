"""Real images, scikit-learn's digits, and a quicker Beam and TensorFlow."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests import quick_beam, quick_tensorflow

quick_beam.quicken()
quick_tensorflow.quicken()


@pytest.fixture(scope="session")
def digits():
    """All digits in a fixed random order, uint8 [1797, 8, 8, 1]."""
    images = np.round(load_digits().images / 16 * 255).astype(np.uint8)[..., None]
    return np.random.default_rng(0).permutation(images)
