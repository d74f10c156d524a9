"""Metrics class by class."""

import numpy as np
import pytest

from components.sample_evaluator.metrics.arrays import MetricError
from components.sample_evaluator.metrics.by_class import by_class
from components.sample_evaluator.metrics.frechet_distance import frechet_distance
from components.sample_evaluator.metrics.kid import kid


def make_classes(counts, seed):
    """Features and labels in random order."""
    rng = np.random.default_rng(seed)
    labels = [label for label, count in counts.items() for _ in range(count)]
    return rng.standard_normal((len(labels), 3)), [labels[i] for i in rng.permutation(len(labels))]


def test_each_class_is_compared_with_itself():
    real, real_labels = make_classes({"a": 30, "b": 25}, seed=0)
    generated, generated_labels = make_classes({"b": 40, "a": 22}, seed=1)
    found = by_class(kid, real, real_labels, generated, generated_labels)
    assert list(found) == ["a", "b"]
    for label, (n, m) in {"a": (30, 22), "b": (25, 40)}.items():
        expected = kid(
            real[[found_label == label for found_label in real_labels]],
            generated[[found_label == label for found_label in generated_labels]],
        )
        assert found[label] == (n, m, pytest.approx(expected, rel=1e-12), None)


def test_a_class_with_too_few_rows_has_a_reason_instead_of_a_value():
    real, real_labels = make_classes({"a": 30, "b": 30, "new": 5}, seed=0)
    generated, generated_labels = make_classes({"a": 30, "b": 3, "odd\0": 30, "odd": 30}, seed=1)
    found = by_class(kid, real, real_labels, generated, generated_labels)
    assert {label for label, result in found.items() if result.value is not None} == {"a"}
    assert found["b"].reason == "30 real and 3 generated images: at least 20 of each are needed"
    assert (found["new"].real, found["new"].generated) == (5, 0)
    assert (found["odd"].generated, found["odd\0"].generated) == (30, 30)


def test_the_reason_may_be_that_of_the_metric():
    real, labels = make_classes({"a": 5}, seed=0)
    found = by_class(frechet_distance, real, labels, real, labels, min_rows=2)
    assert found["a"].value is None
    assert "5 images are too few for 3 feature dimensions" in found["a"].reason


def test_no_labels_give_no_classes():
    empty = np.zeros((0, 3))
    assert by_class(kid, empty, [], empty, []) == {}


def test_refuses_other_numbers_of_labels_than_of_rows():
    real, labels = make_classes({"a": 30}, seed=0)
    with pytest.raises(MetricError, match="30 generated images have 29 labels"):
        by_class(kid, real, labels, real, labels[1:])
