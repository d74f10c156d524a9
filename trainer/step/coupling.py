"""Pairs noise and data within a batch by optimal transport, which straightens the paths.

Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal
transport" (TMLR 2024), section 3.2. The paper of IADB pairs them independently.
"""

import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment


def optimal_transport(x0: tf.Tensor, x1: tf.Tensor) -> tf.Tensor:
    """Permutes the rows of x0 to minimize the sum of squared distances to the rows of x1.

    Args:
        x0: float32 [N, ...].
        x1: float32, shaped as x0.

    Returns:
        The rows of x0 in their new order.
    """
    flat0 = tf.reshape(x0, [tf.shape(x0)[0], -1])
    flat1 = tf.reshape(x1, [tf.shape(x1)[0], -1])
    # |a - b|^2 without the terms that are equal for every permutation.
    cost = -tf.matmul(flat1, flat0, transpose_b=True)
    order = tf.numpy_function(_assign, [cost], tf.int64)
    return tf.ensure_shape(tf.gather(x0, order), x0.shape)


def _assign(cost: np.ndarray) -> np.ndarray:
    return linear_sum_assignment(cost)[1].astype(np.int64)
