"""Pairs noise and data within a batch by optimal transport, which straightens the paths.

Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal
transport" (TMLR 2024), section 3.2. The paper of IADB pairs them independently.

With labels, each class is paired by itself, and so is each augmentation, as Cheng and Schwing do
for discrete conditions ("The curse of conditions: analyzing and improving optimal transport for
conditional flow-based generation", 2025, arXiv 2503.10636). Over all classes, those whose images
lie in one direction would be trained on the noise of that direction alone, but sampled from all of
it.
"""

import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment

from trainer.networks.augmentations import COUNT


def optimal_transport(x0: tf.Tensor, x1: tf.Tensor, group: tf.Tensor | None = None) -> tf.Tensor:
    """Permutes the rows of x0 to minimize the sum of squared distances to the rows of x1.

    Args:
        x0: float32 [N, ...].
        x1: float32, shaped as x0.
        group: int [N], as `groups` returns it; rows are permuted within each group only, so that
            noise and group stay independent. A group with one row in the batch keeps it.

    Returns:
        The rows of x0 in their new order.
    """
    flat0 = tf.reshape(x0, [tf.shape(x0)[0], -1])
    flat1 = tf.reshape(x1, [tf.shape(x1)[0], -1])
    # |a - b|^2 without the terms that are equal for every permutation.
    cost = -tf.matmul(flat1, flat0, transpose_b=True)
    if group is None:
        group = tf.zeros(tf.shape(x0)[:1], tf.int64)
    order = tf.numpy_function(_assign, [cost, group], tf.int64)
    return tf.ensure_shape(tf.gather(x0, order), x0.shape)


def groups(label: tf.Tensor | None, augmentation: tf.Tensor | None) -> tf.Tensor | None:
    """Returns a number for what the network sees beside x_alpha, int64 [N]; None if it is nothing.

    Args:
        label: int [N].
        augmentation: codes as of trainer/networks/augmentations.py, int [N].
    """
    if augmentation is None:
        return label
    first = 0 if label is None else COUNT * tf.cast(label, tf.int64)
    return first + tf.cast(augmentation, tf.int64)


def _assign(cost: np.ndarray, group: np.ndarray) -> np.ndarray:
    order = np.empty(len(group), np.int64)
    for each in np.unique(group):
        (rows,) = np.nonzero(group == each)
        order[rows] = rows[linear_sum_assignment(cost[np.ix_(rows, rows)])[1]]
    return order
