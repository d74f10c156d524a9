"""Scores of results beside the held-out images that they should be."""

import numpy as np
import tensorflow as tf

from components.metrics.pair_scores import PairScores, psnr
from trainer.source.degrade import degrade
from trainer.source.options import Degradation

WINDOW = 11  # pixels of each side of SSIM's Gaussian window (Wang et al. 2004)


def score_pairs(
    images: np.ndarray,
    results: np.ndarray,
    sources: np.ndarray,
    degradation: Degradation | None,
) -> PairScores:
    """Compares results with the images that they should be, and with what they were made from.

    Args:
        images: uint8 [N, H, W, C].
        results: uint8 [N, H, W, C].
        sources: uint8 [N, H, W, S], of the images; channels after the first C are a mask.
        degradation: how sources are derived from images; None if they are not.
    """
    if degradation is None:
        consistency = np.full(len(images), np.nan)
    else:
        consistency = _consistency(results, sources, degradation)
    scores = (psnr(images, results), ssim(images, results), consistency)
    return PairScores(*(each.astype(np.float32)[:, None] for each in scores))


def ssim(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The structural similarity of each pair of images, uint8 [N, H, W, C], as float [N].

    The window is WINDOW pixels wide or, in smaller images, the largest odd number that fits.
    """
    shorter = min(images.shape[1:3])
    window = min(WINDOW, shorter - (shorter + 1) % 2)
    return tf.image.ssim(images, others, 255, filter_size=window).numpy()


def _consistency(results: np.ndarray, sources: np.ndarray, degradation: Degradation) -> np.ndarray:
    """PSNR of the results, degraded as the images were, beside the sources, float [N].

    Under a mask, the pixels outside the hole are compared: a result that is masked for itself would
    get a hole in another place.
    """
    channels = results.shape[-1]
    if degradation.kind == "mask":
        hole = sources[..., channels:] == 0
        counted = ~hole | hole.all(axis=(1, 2, 3), keepdims=True)
        return psnr(sources[..., :channels], results, counted)
    return psnr(sources, degrade(tf.constant(results), degradation).numpy())
