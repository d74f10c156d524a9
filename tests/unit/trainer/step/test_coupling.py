import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer.networks.augmentations import COUNT
from trainer.step.coupling import groups, optimal_transport


def test_optimal_transport_pairs_noise_and_data_at_the_least_cost():
    generator = np.random.default_rng(1)
    x0 = np.float32(generator.normal(size=(6, 2)))
    x1 = np.float32(generator.normal((3.0, -1.0), 0.1, (6, 2)))
    paired = optimal_transport(tf.constant(x0), tf.constant(x1)).numpy()
    costs = [np.sum((x0[list(order)] - x1) ** 2) for order in itertools.permutations(range(6))]
    assert np.sum((paired - x1) ** 2) == pytest.approx(min(costs), rel=1e-5)
    assert sorted(paired.tolist()) == sorted(x0.tolist())


def test_with_labels_each_class_is_paired_by_itself_at_the_least_cost():
    generator = np.random.default_rng(2)
    x0, x1 = np.float32(generator.normal(size=(2, 9, 2)))
    label = np.array([2, 0, 0, 2, 1, 0, 2, 0, 2])
    paired = optimal_transport(tf.constant(x0), tf.constant(x1), tf.constant(label)).numpy()
    for each, count in ((0, 4), (1, 1), (2, 4)):
        rows = label == each
        costs = [
            np.sum((x0[rows][list(order)] - x1[rows]) ** 2)
            for order in itertools.permutations(range(count))
        ]
        assert np.sum((paired[rows] - x1[rows]) ** 2) == pytest.approx(min(costs), rel=1e-5)
        assert sorted(paired[rows].tolist()) == sorted(x0[rows].tolist())


@pytest.mark.parametrize("by_class", [True, False])
def test_noise_and_label_are_independent_only_if_each_class_is_paired_by_itself(by_class):
    """The classes lie left and right of the noise, of which each would otherwise get one half."""

    @tf.function
    def pair(x0, x1, label):
        return optimal_transport(x0, x1, label if by_class else None)

    generator = np.random.default_rng(3)
    means = []
    for _ in range(200):
        label = generator.integers(0, 2, 64)
        x1 = np.float32(generator.normal(6.0 * label[:, None] - 3.0, 0.1, (64, 1)))
        x0 = pair(np.float32(generator.normal(size=(64, 1))), x1, label).numpy()
        means.append([x0[label == each].mean() for each in (0, 1)])
    left, right = np.mean(means, 0)
    if by_class:
        assert (left, right) == pytest.approx((0.0, 0.0), abs=0.05)
    else:  # the means of the halves of a normal distribution
        assert (left, right) == pytest.approx((-0.8, 0.8), abs=0.05)


@pytest.mark.parametrize(
    ("label", "augmentation", "expected"),
    [
        (None, None, None),
        ([3, 0, 3, 0], None, [3, 0, 3, 0]),
        (None, [0, 1, 7, 0], [0, 1, 7, 0]),
        ([1, 0, 1, 0], [0, 1, 7, 0], [COUNT, 1, COUNT + 7, 0]),
    ],
)
def test_a_group_is_of_one_class_and_one_augmentation(label, augmentation, expected):
    given = (None if each is None else tf.constant(each) for each in (label, augmentation))
    found = groups(*given)
    assert found is None if expected is None else found.numpy().tolist() == expected
