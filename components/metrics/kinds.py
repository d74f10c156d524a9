"""Kinds of images, classes or clusters, and which of them a model leaves out.

The images of each class that a model draws are counted by a classifier. What it finds is wrong
where it confuses classes; expectation maximization of the shares corrects that (Saerens, Latinne
and Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural
Computation 14, doi 10.1162/089976602753284446). Without classes, kinds are gaps among the samples.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from components.metrics.arrays import MetricError, check_features
from components.metrics.gaps import MIN_EXPECTED, find_gaps
from components.metrics.neighbors import nearest

MIN_IMAGES = 100  # training, held-out and generated ones each, or there are no kinds
MAX_TRAINING = 5000  # images that kinds are learned from; more change little
MAX_EXAMPLES = 8  # of a missing kind
CLASS_COMPONENTS, GAP_COMPONENTS = 64, 32  # principal ones that the classifier sees, and the gaps
STRENGTH = 0.1  # of the fit, C: a low one, so that probabilities are not too sure
MISSING = 0.2  # of the expected images: with fewer, a class is missing
MIN_RECOGNIZED = 0.5  # of the held-out images of a class, or it is not judged
# How much more often a class has to be found in its images than in others (Youden's index): labels
# of splits or dates say nothing of what images show, and the largest is found in all of them.
MIN_INFORMED = 0.2
LEAST_SURE = 0.2  # of what is possible above chance, that held-out images are recognized
MAX_CLASSES = 200  # more take a classifier minutes
ITERATIONS = 1000
TOLERANCE = 1e-7  # of the shares
_LEAST = 1e-12  # probability of a class, so that no image is impossible


class Kind(NamedTuple):
    """One kind of image.

    Attributes:
        name: the label of a class, or the number of a missing cluster from 1.
        held_out: number of held-out images.
        expected: number of generated images if their shares are those of the held-out ones.
        estimated: number of generated images; None if that cannot be told.
        missing: whether there are far fewer than expected.
        examples: indices of at most MAX_EXAMPLES held-out images of a missing kind, best first.
    """

    name: str
    held_out: int
    expected: float
    estimated: float | None
    missing: bool
    examples: tuple[int, ...]


class Kinds(NamedTuple):
    """All kinds.

    Attributes:
        by: what kinds are; None if they are not known.
        accuracy: share of the held-out images whose class was recognized, 0 to 1; None for
            clusters.
        kinds: all classes of the training images, or the clusters that are missing.
        unavailable: why they are not known.
        followed: how far the generated images are recognized as the classes that they were asked
            for: 0 as often as by chance, 1 as often as held-out images as theirs; None without
            classes that were asked for, or if held-out images are hardly recognized.
        followed_error: about its standard error, that of how often the classes are recognized.
    """

    by: Literal["class", "cluster"] | None = None
    accuracy: float | None = None
    kinds: tuple[Kind, ...] = ()
    unavailable: str | None = None
    followed: float | None = None
    followed_error: float = 0.0


def class_shares(
    train: np.ndarray,
    train_labels: Sequence[str],
    real: np.ndarray,
    real_labels: Sequence[str],
    generated: np.ndarray,
    asked: Sequence[str] = (),
) -> Kinds:
    """Estimates the number of generated images of each class.

    A linear classifier is fitted to the first MAX_TRAINING training images. Classes that it hardly
    recognizes among held-out images, or finds in others as often, have no estimate. One that it
    finds at least half as often among generated images as among held-out ones is not missing.

    The clusters that are missing instead, if any image has no label, if there is one class only or
    more than MAX_CLASSES, or if all classes are too small or recognized too seldom to be judged.

    Args:
        train: features, float [N, d].
        train_labels: N labels; empty without one.
        real: features of held-out images, float [M, d].
        real_labels: M labels.
        generated: float [K, d].
        asked: K labels that these images were asked for, empty where they were asked for none;
            empty if that is not known.

    Raises:
        MetricError: too few images, or features that differ in d or are not finite.
    """
    _check_enough(training=train, held_out=real, generated=generated)
    train, train_labels = train[:MAX_TRAINING], np.array(train_labels[:MAX_TRAINING], str)
    real_labels, labeled = np.array(real_labels, str), train_labels != ""
    if not 2 <= len(np.unique(train_labels[labeled])) <= MAX_CLASSES or not any(real_labels):
        return missing_clusters(train, real, generated)
    with threadpool_limits(1):
        classifier = make_pipeline(
            StandardScaler(),
            PCA(min(CLASS_COMPONENTS, labeled.sum(), train.shape[1]), random_state=0),
            LogisticRegression(C=STRENGTH, max_iter=300),
        ).fit(train[labeled], train_labels[labeled])
        found_real, found = classifier.predict(real), classifier.predict(generated)
    kinds = None
    if labeled.all() and all(real_labels):
        kinds = _count(classifier, train_labels, real_labels, generated, found_real, found)
    kinds = kinds or missing_clusters(train, real, generated)
    known, asked = real_labels != "", np.array(asked, str)
    return _with_followed(kinds, found_real[known], real_labels[known], found, asked)


def missing_clusters(train: np.ndarray, real: np.ndarray, generated: np.ndarray) -> Kinds:
    """Finds the clusters of images that are missing among generated ones.

    Each is a gap of `find_gaps` in the first MAX_TRAINING training images; a held-out image is in
    it if its nearest training image is.

    Args:
        train: features, float [N, d].
        real: features of held-out images, float [M, d].
        generated: float [K, d].

    Returns:
        The least likely one first; none if the generated images lack nothing.

    Raises:
        MetricError: too few images, features that differ in d or are not finite, or training
            images that are all alike.
    """
    _check_enough(training=train, held_out=real, generated=generated)
    train = train[:MAX_TRAINING]
    if (train == train[0]).all():
        raise MetricError("the training images are all alike")
    with threadpool_limits(1):
        reduce = PCA(min(GAP_COMPONENTS, *train.shape), random_state=0).fit(train)
        known, held_out, drawn = map(reduce.transform, (train, real, generated))
        gaps = find_gaps(known, held_out, drawn)
        owners = nearest(held_out, known).indices
    kinds = []
    for number, gap in enumerate(gaps, 1):
        examples = np.flatnonzero(np.isin(owners, gap.members))
        order = np.linalg.norm(held_out[examples] - known[gap.members[0]], axis=1)
        shown = examples[np.argsort(order, kind="stable")][:MAX_EXAMPLES]
        kinds.append(
            Kind(str(number), len(examples), gap.expected, gap.found, True, tuple(map(int, shown)))
        )
    return Kinds("cluster", None, tuple(kinds))


def _count(
    classifier: Pipeline,
    train_labels: np.ndarray,
    real_labels: np.ndarray,
    generated: np.ndarray,
    found_real: np.ndarray,
    found: np.ndarray,
) -> Kinds | None:
    """The number of generated images of each class; None if none can be judged."""
    names, counts = np.unique(real_labels, return_counts=True)
    expected = dict(zip(names, counts * (len(generated) / len(real_labels)), strict=True))
    if max(expected.values()) < MIN_EXPECTED:
        return None
    classes, priors = np.unique(train_labels, return_counts=True)
    recognized = found_real == real_labels
    with threadpool_limits(1):
        shares = _estimate(classifier.predict_proba(generated), priors / len(train_labels))
    kinds = []
    for name, share in zip(classes, shares, strict=True):
        examples = np.flatnonzero(real_labels == name)
        is_known = len(examples) and _is_known(found_real == name, real_labels == name)
        estimated = None
        if is_known:
            wanted, estimated = float(expected[name]), float(share) * len(generated)
            beside_real = wanted * float(np.mean(found == name) / np.mean(found_real == name))
            # Where classes overlap, the correction exaggerates: it may take all from one of two.
            if estimated < MISSING * wanted and beside_real >= wanted / 2:
                estimated = beside_real
        kinds.append(_kind(str(name), examples, float(expected.get(name, 0)), estimated))
    if all(kind.estimated is None or kind.expected < MIN_EXPECTED for kind in kinds):
        return None
    return Kinds("class", float(recognized.mean()), tuple(kinds))


def _kind(name: str, examples: np.ndarray, expected: float, estimated: float | None) -> Kind:
    """Describes a class, from the indices of all its held-out images."""
    missing = expected >= MIN_EXPECTED and estimated is not None and estimated < MISSING * expected
    shown = tuple(map(int, examples[:MAX_EXAMPLES])) if missing else ()
    return Kind(name, len(examples), expected, estimated, missing, shown)


def _is_known(found: np.ndarray, right: np.ndarray) -> bool:
    """Whether a class is recognized in held-out images: in most of its own, and less in others."""
    recognized, elsewhere = found[right].mean(), found[~right].mean() if not right.all() else 0.0
    return recognized >= MIN_RECOGNIZED and recognized - elsewhere >= MIN_INFORMED


def _with_followed(
    kinds: Kinds,
    found_real: np.ndarray,
    real_labels: np.ndarray,
    found: np.ndarray,
    asked: np.ndarray,
) -> Kinds:
    """Adds how far generated images are of the classes that they were asked for."""
    sure = _above_chance(found_real, real_labels)
    possible = _above_chance(real_labels, real_labels)  # with every one recognized
    few = min(len(real_labels), np.sum(asked != "")) < MIN_IMAGES
    if few or possible <= 0 or sure < LEAST_SURE * possible:
        return kinds
    found, labels = found[asked != ""], asked[asked != ""]
    return kinds._replace(
        followed=_above_chance(found, labels) / sure,
        followed_error=float(np.std(found == labels)) / sure / len(labels) ** 0.5,
    )


def _above_chance(found: np.ndarray, labels: np.ndarray) -> float:
    """By how much more often labels are found than they would be in any other order."""
    by_chance = sum(np.mean(found == name) * np.mean(labels == name) for name in np.unique(labels))
    return float(np.mean(found == labels) - by_chance)


def _estimate(probabilities: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """The shares under which images are most likely.

    Args:
        probabilities: of each class for each image, float [N, C], where shares are `priors`.
        priors: shares in the classifier's training images, float [C], none of them 0.

    Returns:
        float64 [C], with sum 1.
    """
    likelihoods = np.maximum(probabilities, _LEAST) / priors
    shares = priors
    for _ in range(ITERATIONS):
        posterior = likelihoods * shares
        posterior /= posterior.sum(axis=1, keepdims=True)
        previous, shares = shares, posterior.mean(axis=0)
        if np.abs(shares - previous).max() < TOLERANCE:
            break
    return shares


def _check_enough(**arrays: np.ndarray) -> None:
    """Checks that features [N, d], by name, suffice for kinds.

    Raises:
        MetricError: fewer than MIN_IMAGES rows, or what `check_features` rejects.
    """
    for name, array in arrays.items():
        if len(array) < MIN_IMAGES:
            images = f"{name.replace('_', '-')} images"
            raise MetricError(
                f"{len(array)} {images} are too few for kinds: {MIN_IMAGES} are needed"
            )
    check_features(**arrays)
