"""TensorFlow without the optimization of graphs, which pays after hundreds of calls."""

import tensorflow as tf


def quicken():
    """Has TensorFlow, in this process, run each graph as it was traced."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
