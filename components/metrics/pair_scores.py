"""Scores of single pairs, and how much several answers to one source differ."""

from typing import NamedTuple

import numpy as np

from components.metrics.arrays import MetricError, check_features

# The mean squared error that rounding to 8 bits leaves: nothing nearer can be told apart, and equal
# images get a number, 58.9 dB.
ROUNDING = 1 / 12


class PairScores(NamedTuple):
    """Scores of N pairs, float32 [N, 1], or of a single one without the first dimension.

    Attributes:
        psnr: of the result beside the image, in dB.
        ssim: structural similarity of the two, up to 1.
        consistency: PSNR of the result, degraded as the image was, beside the source; NaN for
            sources that were not derived from images.
    """

    psnr: np.ndarray
    ssim: np.ndarray
    consistency: np.ndarray


def psnr(images: np.ndarray, others: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """The peak signal-to-noise ratio of each pair of images, in dB.

    Args:
        images: uint8 [N, H, W, C].
        others: uint8 [N, H, W, C].
        counted: bool [N, H, W, 1], the pixels to compare, at least one; all of them if None.

    Returns:
        float64 [N], at most 58.9, which equal images have.
    """
    squares = (images.astype(np.float64) - others) ** 2
    where = np.broadcast_to(True if counted is None else counted, squares.shape)
    errors = squares.mean(axis=(1, 2, 3), where=where)
    return 10 * np.log10(255**2 / np.maximum(errors, ROUNDING))


def feature_distances(real: np.ndarray, results: np.ndarray) -> np.ndarray:
    """The squared distance of each pair of vectors, as a share of that between two real images.

    Args:
        real: float [N, d], vectors of real images.
        results: float [M, d], of the results for the first M of them, in the same order.

    Returns:
        float64 [M]: 0 for equal vectors, on average 1 for those of other real images.

    Raises:
        MetricError: the arrays are too small, differ in d, or are not finite; there are more
            results than images, or all images have the same vector.
    """
    check_features(real=real, generated=results)
    if len(results) > len(real):
        raise MetricError(f"{len(results)} results cannot be paired with {len(real)} images")
    squares = (results.astype(np.float64) - real[: len(results)]) ** 2
    return squares.sum(axis=1) / _between(real)


def mean_score(_: np.ndarray, scores: np.ndarray) -> float:
    """The mean of scores, float [M, 1].

    Raises:
        MetricError: some are not finite.
    """
    if not np.isfinite(scores).all():
        raise MetricError("some pairs have no score")
    return float(scores.mean(dtype=np.float64))


def diversity(answers: np.ndarray, real: np.ndarray) -> float:
    """How far two answers to one source are from each other, by their vectors.

    Args:
        answers: float [N, K, d], vectors of K answers to each of N sources; K is at least 2.
        real: float [M, d], vectors of real images.

    Returns:
        The mean squared distance as a share of that between two real images: 0 if all answers are
        equal, about 1 if they have nothing in common.

    Raises:
        MetricError: all real images have the same vector.
    """
    # Twice the variance is the mean squared distance between two.
    return float(2 * answers.var(axis=1, ddof=1, dtype=np.float64).sum(axis=1).mean()) / _between(
        real
    )


def pixel_diversity(answers: np.ndarray) -> float:
    """The root mean square difference of pixels of two answers to one source, in gray levels.

    Args:
        answers: uint8 [N, K, H, W, C]; K is at least 2.
    """
    return float(np.sqrt(np.mean([2 * each.var(axis=0, ddof=1).mean() for each in answers])))


def _between(real: np.ndarray) -> float:
    """The mean squared distance between two vectors."""
    found = 2 * float(real.var(axis=0, ddof=1, dtype=np.float64).sum())
    if found <= 0:
        raise MetricError("all held-out images have the same features")
    return found
