"""The way from one point of noise to another."""

import numpy as np

PARALLEL = 1e-4  # radians: below, an arc is a line


def arc(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Returns points on the arc between two, spherical linear interpolation.

    Args:
        first: float32 [H, W, C].
        last: of the same shape.
        count: number of points, both ends included.

    Returns:
        float32 [count, H, W, C].
    """
    share = np.linspace(0, 1, count)[:, None, None, None]
    norms = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(np.sum(first * last) / max(norms, 1e-12), -1, 1))
    if angle < PARALLEL or np.pi - angle < PARALLEL:
        return ((1 - share) * first + share * last).astype(np.float32)
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    return ((weights[0] * first + weights[1] * last) / np.sin(angle)).astype(np.float32)
