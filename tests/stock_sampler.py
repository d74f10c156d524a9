"""A sampler that draws known images."""

import tensorflow as tf


class StockSampler(tf.Module):
    """Draws the image at the index `seed` of a fixed stock."""

    def __init__(self, stock):
        super().__init__()
        self._stock = tf.constant(stock)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, "seed"),
            tf.TensorSpec([], tf.int32, "nb_step"),
        ]
    )
    def generate(self, seed, nb_step):
        del nb_step
        return {"image": tf.gather(self._stock, seed % len(self._stock))}
