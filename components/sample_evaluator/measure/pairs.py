"""How far images are from each other that belong together.

They are results and the held-out images that they should be, several answers to one source, and
the images that two models draw from the same seeds.
"""

import contextlib
from typing import Any

import numpy as np
import tensorflow as tf

from components.features import Extractor
from components.images.image_set import row_blocks
from components.metrics.arrays import MetricError
from components.metrics.pair_scores import PairScores, diversity, pixel_diversity, psnr
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


def measure_answers(
    answers: np.ndarray, images: np.ndarray | None, extract: Extractor
) -> dict[str, Any] | None:
    """How much the answers of a model to one source differ, for metrics.json.

    Args:
        answers: uint8 [N, K, H, W, C].
        images: the held-out images, uint8 [N, H, W, C]; None where sources are not paired.
        extract: of the feature space of the metrics.

    Returns:
        Numbers by name, None where there is none; None for a single answer to each source.
    """
    count, number = answers.shape[:2]
    if number < 2:
        return None
    in_features = None
    if images is not None:
        with contextlib.suppress(MetricError):  # all held-out images are equal
            vectors = extract(np.concatenate(answers))
            in_features = diversity(vectors.reshape(count, number, -1), extract(images))
    return {
        "sources": count,
        "answers": number,
        "diversity": in_features,
        "pixel_diversity": pixel_diversity(answers),
    }


def seed_distances(candidate: np.ndarray, baseline: np.ndarray, size: int) -> dict[str, Any]:
    """How far a student's images are from its baseline's, for metrics.json.

    In a pipeline, the baseline is the student's teacher.

    Args:
        candidate: uint8 [N, H, W, C].
        baseline: uint8 [N, H, W, C], from the same seeds.
        size: images of a batch, among which those of other seeds are found.

    Returns:
        Root mean square differences in gray levels: of the images of each seed, and on average from
        those of another one, None if there is only one; and a sentence.
    """
    same = _gray_levels(candidate, baseline)
    batches = [rows for rows, part in row_blocks(baseline, size) if len(part) > 1]
    others = [_gray_levels(candidate[rows], np.roll(baseline[rows], 1, axis=0)) for rows in batches]
    found = {
        "mean": float(same.mean()),
        "median": float(np.median(same)),
        "largest": float(same.max()),
        "other_seeds": float(np.concatenate(others).mean()) if others else None,
        "by_seed": [round(float(each), 3) for each in same],
    }
    found["sentence"] = (
        f"an image is {found['mean']:.3g} gray levels (root mean square) from the one that the "
        f"baseline draws from the same seed, at most {found['largest']:.3g}"
    )
    if others:
        found["sentence"] += f", and {found['other_seeds']:.3g} from those of other seeds"
    return found


def _gray_levels(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The root mean square difference of each pair of images, float32 [N]."""
    pairs = zip(images, others, strict=True)
    return np.array([np.sqrt(np.mean((a.astype(np.float32) - b) ** 2)) for a, b in pairs])
