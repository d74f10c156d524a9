"""How many images of each class a model draws, estimated by a classifier.

Counting what a classifier finds is wrong where it confuses classes. Expectation maximization of
the shares corrects that (Saerens, Latinne and Decaestecker 2002, "Adjusting the Outputs of a
Classifier to New a Priori Probabilities", Neural Computation 14, doi 10.1162/089976602753284446).
"""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from components.metrics.kinds.gaps import missing_clusters
from components.metrics.kinds.shares import (
    MAX_EXAMPLES,
    MAX_TRAINING,
    MIN_EXPECTED,
    MIN_IMAGES,
    Kind,
    Kinds,
    check_enough,
)
from components.metrics.threads import one_thread

COMPONENTS = 64  # principal ones that the classifier sees
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
    check_enough(training=train, held_out=real, generated=generated)
    train, train_labels = train[:MAX_TRAINING], np.array(train_labels[:MAX_TRAINING], str)
    real_labels, labeled = np.array(real_labels, str), train_labels != ""
    if not 2 <= len(np.unique(train_labels[labeled])) <= MAX_CLASSES or not any(real_labels):
        return missing_clusters(train, real, generated)
    with one_thread():
        classifier = make_pipeline(
            StandardScaler(),
            PCA(min(COMPONENTS, labeled.sum(), train.shape[1]), random_state=0),
            LogisticRegression(C=STRENGTH, max_iter=300),
        ).fit(train[labeled], train_labels[labeled])
        found_real, found = classifier.predict(real), classifier.predict(generated)
    kinds = None
    if labeled.all() and all(real_labels):
        kinds = _count(classifier, train_labels, real_labels, generated, found_real, found)
    kinds = kinds or missing_clusters(train, real, generated)
    known, asked = real_labels != "", np.array(asked, str)
    return _with_followed(kinds, found_real[known], real_labels[known], found, asked)


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
    with one_thread():
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
