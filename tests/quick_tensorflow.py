"""TensorFlow without the optimization of graphs, which pays after hundreds of calls."""

import tensorflow as tf


def quicken():
    """Has TensorFlow run each graph as it was traced, in all tests of this process.

    Processes that tests start optimize graphs as those of users do.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
