"""How far samples are from held-out images, beyond the floor: the distance of training images.

A distance is above zero even between images of one source, because the sets are finite and the
held-out groups are others than those trained on. What a model can remove is the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.features import load_extractor
from components.features.options import FeatureOptions
from components.metrics.frechet_distance import ROWS_PER_DIMENSION, frechet_distance
from components.metrics.kid import kid

# Small images are resized as `evaluate.features: auto` does it.
TRAINED = FeatureOptions(name="efficientnet-lite0", resolution=112)
SPACES = (TRAINED, FeatureOptions(name="pixels"))
Extract = Callable[[np.ndarray], np.ndarray]  # uint8 [N, H, W, C] to float32 [N, d]
# Of a Gaussian: a few hundred held-out images do not determine one in all 1,280 dimensions.
COMPONENTS = 128


@dataclass(frozen=True)
class _Space:
    """A feature space with the held-out images in it.

    Attributes:
        extract: to the vectors of images.
        real: float32 [M, d].
        directions: principal components of the training images, float32 [d, k].
    """

    extract: Extract
    real: np.ndarray
    directions: np.ndarray

    def distances(self, features: np.ndarray) -> dict[str, float]:
        """KID in all dimensions, and the Frechet distance in the principal ones."""
        projected = [array @ self.directions for array in (self.real, features)]
        return {"kid": kid(self.real, features), "frechet_distance": frechet_distance(*projected)}


class Judge:
    """Compares samples with held-out images in each of SPACES; names those it has to leave out.

    Args:
        train: uint8 [N, H, W, C].
        held_out: uint8 [M, H, W, C].
        count: number of samples that will be judged, and of training images for the floor, at most
            N; Frechet distances are only comparable at equal numbers.

    Attributes:
        floor: the distances of the training images, by "METRIC, SPACE".
    """

    def __init__(self, train: np.ndarray, held_out: np.ndarray, count: int) -> None:
        rows = np.random.default_rng(0).permutation(len(train))[:count]
        self._spaces: dict[str, _Space] = {}
        self.floor: dict[str, float] = {}
        for options in SPACES:
            extract = load_extractor(options)
            features, real = extract(train[rows]), extract(held_out)
            most = min(COMPONENTS, min(count, len(real)) // ROWS_PER_DIMENSION)
            space = _Space(extract, real, _principal_components(features, most))
            self._spaces[options.name] = space
            self.floor |= _named(options.name, space.distances(features))

    def above_floor(self, samples: np.ndarray) -> dict[str, float]:
        """The distances of samples, uint8 [count, H, W, C], minus the floor, by "METRIC, SPACE"."""
        measured: dict[str, float] = {}
        for name, space in self._spaces.items():
            measured |= _named(name, space.distances(space.extract(samples)))
        return {name: value - self.floor[name] for name, value in measured.items()}


def _principal_components(features: np.ndarray, most: int) -> np.ndarray:
    centered = features - features.mean(axis=0, dtype=np.float64)
    return np.linalg.eigh(centered.T @ centered)[1][:, -most:].astype(np.float32)


def _named(space: str, distances: dict[str, float]) -> dict[str, float]:
    return {f"{metric}, {space}": value for metric, value in distances.items()}
