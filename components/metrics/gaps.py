"""Gaps among samples: regions of training images that a model leaves out.

Each image belongs to its nearest training images, so that samples that all differ from real images
in the same way still count where they belong. A region is a training image with those around it. It
is a gap if it has far fewer samples than training and held-out images, by more than chance
explains: a scan statistic (Kulldorff 1997, "A spatial scan statistic", Communications in Statistics
26, doi 10.1080/03610929708831995) with balls of several sizes.
"""

from typing import NamedTuple

import numpy as np
import scipy.special

from components.metrics.neighbors import k_nearest

NEIGHBORS = 2  # training images that an image belongs to, half to each: chance decides less
SIZES = (20, 28, 40, 56, 80, 110)  # of balls, in expected samples
MIN_MEMBERS = 5  # training images of a ball
MAX_SHARE = 1 / 3  # of the training images, for one ball
MIN_EXPECTED = 15  # samples in a ball: with fewer, none may be there by chance
MAX_LEFT = 0.5  # of the expected samples, in a gap
# Of so few samples in a single ball by chance. Balls are many, but overlap: of good models, this
# finds a gap in about one of two hundred (benchmarks/notes/evaluation.md).
MAX_PROBABILITY = 5e-5


class Gap(NamedTuple):
    """A region with too few samples.

    Attributes:
        members: indices of training images, int [m], those nearest to the center first.
        expected: number of samples, from training and held-out images.
        found: number of samples.
    """

    members: np.ndarray
    expected: float
    found: float


def find_gaps(train: np.ndarray, real: np.ndarray, generated: np.ndarray) -> list[Gap]:
    """Finds the regions of training images that samples leave out; they are disjoint.

    Args:
        train: float [N, d].
        real: held-out images, float [M, d].
        generated: float [K, d].

    Returns:
        The least likely gap first.
    """
    sizes = _sizes(len(train), len(generated))
    origin = train.mean(axis=0, dtype=np.float64)
    points, held_out, drawn = train - origin, real - origin, generated - origin
    around = k_nearest(points, None, max(*sizes, NEIGHBORS))
    known = _belonging(around[:, :NEIGHBORS], len(train))
    known += _belonging(k_nearest(held_out, points, NEIGHBORS), len(train))
    samples = _belonging(k_nearest(drawn, points, NEIGHBORS), len(train))
    balls = np.concatenate([np.arange(len(train))[:, None], around], axis=1)
    share = len(generated) / (len(train) + len(real))
    gaps: list[Gap] = []
    taken = np.zeros(len(train), bool)
    while (gap := _least_likely(balls, sizes, known, samples, share)) is not None:
        # Balls may overlap: what an earlier gap has is not counted in this one.
        gaps.append(gap._replace(members=gap.members[~taken[gap.members]]))
        taken[gap.members] = True
        known[gap.members] = samples[gap.members] = 0
    return gaps


def _sizes(train: int, generated: int) -> list[int]:
    """The numbers of training images of balls, beside the center."""
    largest = max(int(MAX_SHARE * train), MIN_MEMBERS)
    return sorted(
        {min(max(round(size * train / generated), MIN_MEMBERS), largest) - 1 for size in SIZES}
    )


def _belonging(owners: np.ndarray, count: int) -> np.ndarray:
    """The number of images that belong to each of `count` training images, in parts of one."""
    return np.bincount(owners.ravel(), minlength=count) / owners.shape[1]


def _least_likely(
    balls: np.ndarray, sizes: list[int], known: np.ndarray, samples: np.ndarray, share: float
) -> Gap | None:
    """The gap with the smallest probability; None if no ball is one.

    Args:
        balls: centers with their neighbors, nearest first, int [N, m].
        sizes: neighbors of the balls.
        known: training and held-out images of each training image, float [N].
        samples: float [N].
        share: samples for each known image.
    """
    gap, smallest = None, MAX_PROBABILITY
    for size in sizes:
        members = balls[:, : size + 1]
        expected, found = share * known[members].sum(axis=1), samples[members].sum(axis=1)
        far_fewer = np.flatnonzero((expected >= MIN_EXPECTED) & (found < MAX_LEFT * expected))
        if not len(far_fewer):
            continue
        # That a binomial of all images of the ball, each a sample with the chance of any other
        # image, is at most `found`; by the beta function, since images count in parts.
        probabilities = scipy.special.betainc(
            expected[far_fewer] / share, found[far_fewer] + 1, 1 / (1 + share)
        )
        least = probabilities.argmin()
        if probabilities[least] < smallest:
            center, smallest = far_fewer[least], probabilities[least]
            gap = Gap(members[center], float(expected[center]), float(found[center]))
    return gap
