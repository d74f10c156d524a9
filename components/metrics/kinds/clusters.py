"""How many images of each cluster a model draws: kinds where there are no labels.

What a model leaves out is seldom a cluster of k-means: gaps among the samples are found first, and
are kinds of their own.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from components.metrics.arrays import MetricError
from components.metrics.kinds.gaps import Gap, find_gaps
from components.metrics.kinds.shares import (
    MAX_EXAMPLES,
    MAX_TRAINING,
    Kind,
    Kinds,
    check_enough,
    kind_of,
)
from components.metrics.neighbors import nearest
from components.metrics.threads import one_thread

COMPONENTS = 32  # principal ones in which clusters are sought
IMAGES_EACH = 25  # held-out ones per cluster, on average
MIN_CLUSTERS, MAX_CLUSTERS = 2, 20


def cluster_shares(train: np.ndarray, real: np.ndarray, generated: np.ndarray) -> Kinds:
    """Counts the generated images of each cluster of training images.

    The first clusters are the gaps of `find_gaps`; an image is in one if its nearest training image
    is. The others are those of k-means in the first MAX_TRAINING training images; an image belongs
    to the nearest center.

    Args:
        train: features, float [N, d].
        real: features of held-out images, float [M, d].
        generated: float [K, d].

    Raises:
        MetricError: too few images, features that differ in d or are not finite, or training
            images that are all alike.
    """
    check_enough(training=train, held_out=real, generated=generated)
    train = train[:MAX_TRAINING]
    if (train == train[0]).all():
        raise MetricError("the training images are all alike")
    with one_thread():
        reduce = PCA(min(COMPONENTS, *train.shape), random_state=0).fit(train)
        known, held_out, drawn = map(reduce.transform, (train, real, generated))
        gaps = find_gaps(known, held_out, drawn)
        owners, drawn_owners = (nearest(images, known).indices for images in (held_out, drawn))
        count = np.clip(len(real) // IMAGES_EACH, MIN_CLUSTERS, MAX_CLUSTERS)
        count = min(count, len(np.unique(known, axis=0)))
        means = KMeans(count, n_init=3, random_state=0).fit(known)
        distances = means.transform(held_out)
        clusters, drawn_clusters = distances.argmin(axis=1), means.predict(drawn)
    kinds = []
    for gap in gaps:
        examples = np.flatnonzero(np.isin(owners, gap.members))
        order = np.linalg.norm(held_out[examples] - known[gap.members[0]], axis=1)
        kinds.append(_missing(len(kinds), gap, examples[np.argsort(order, kind="stable")]))
        clusters[examples] = count  # of none
        drawn_clusters[np.isin(drawn_owners, gap.members)] = count
    for cluster in range(count):
        examples = np.flatnonzero(clusters == cluster)
        examples = examples[np.argsort(distances[examples, cluster], kind="stable")]
        expected = len(examples) * (len(generated) / len(real))
        estimated = float((drawn_clusters == cluster).sum())
        kinds.append(kind_of(str(len(kinds) + 1), examples, expected, estimated))
    return Kinds("cluster", None, tuple(kinds))


def _missing(index: int, gap: Gap, examples: np.ndarray) -> Kind:
    shown = tuple(map(int, examples[:MAX_EXAMPLES]))
    return Kind(str(index + 1), len(examples), gap.expected, gap.found, True, shown)
