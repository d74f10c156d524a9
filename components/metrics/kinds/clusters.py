"""How many images of each cluster a model draws: kinds where there are no labels."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.metrics.arrays import MetricError
from components.metrics.kinds.shares import MAX_TRAINING, Kinds, check_enough, kind_of
from components.metrics.threads import one_thread

COMPONENTS = 32  # principal ones in which clusters are sought
IMAGES_EACH = 25  # held-out ones per cluster, on average
MIN_CLUSTERS, MAX_CLUSTERS = 2, 20


def cluster_shares(train: np.ndarray, real: np.ndarray, generated: np.ndarray) -> Kinds:
    """Counts the generated images of each cluster of training images.

    Clusters are those of k-means in the first MAX_TRAINING training images; an image belongs to
    the nearest center.

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
        reduce = make_pipeline(
            StandardScaler(), PCA(min(COMPONENTS, *train.shape), random_state=0)
        ).fit(train)
        reduced = reduce.transform(train)
        count = np.clip(len(real) // IMAGES_EACH, MIN_CLUSTERS, MAX_CLUSTERS)
        count = min(count, len(np.unique(reduced, axis=0)))
        means = KMeans(count, n_init=3, random_state=0).fit(reduced)
        distances = means.transform(reduce.transform(real))
        drawn = np.bincount(means.predict(reduce.transform(generated)), minlength=count)
    nearest = distances.argmin(axis=1)
    kinds = []
    for cluster in range(count):
        examples = np.flatnonzero(nearest == cluster)
        examples = examples[np.argsort(distances[examples, cluster], kind="stable")]
        expected = len(examples) * (len(generated) / len(real))
        kinds.append(kind_of(str(cluster + 1), examples, expected, float(drawn[cluster])))
    return Kinds("cluster", None, tuple(kinds))
