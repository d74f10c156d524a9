"""Models that translate sources to images, trained for a time: ours both ways, and a regression.

Ours have the optimizer of every training, Muon, the regression has Keras's Adam.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.datasets import Pairs
from trainer import preprocessing
from trainer.build import build_model
from trainer.networks.unet import build_unet
from trainer.ode.options import SampleOptions
from trainer.ode.transport import Sampling, Transport
from trainer.options import EmaOptions, ModelOptions, TrainOptions
from trainer.source.options import Source
from trainer.step.path import noise_from_seeds

BATCH, CHUNK = 64, 250
# The half-life of the average of the weights, in images, is short: the average of Keras has no
# warm-up, and keeps something of the first weights.
LEARNING_RATE, HALF_LIFE = 1e-3, 5_000
SHUFFLED = 20_000
MANY, FEW = "midpoint", "euler"  # 8 and 4 evaluations of the network, in
NB_STEP = 4

# Sources, uint8, a first seed, and MANY or FEW evaluations to results, uint8.
Translate = Callable[[np.ndarray, int, str], np.ndarray]
_Method = tuple[keras.Model, Callable[..., Any], Callable[[tf.Tensor, int, str], tf.Tensor]]


class _Stop(keras.callbacks.Callback):
    """Ends a training after some processor time, without that of the first step, which compiles."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self.steps = seconds, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the step."""
        self.steps = batch + 1
        if not batch:
            self._end = time.process_time() + self._seconds
        self.model.stop_training = time.process_time() >= self._end


def train(
    name: str, network: dict[str, Any], pairs: Pairs, seconds: float, seed: int
) -> tuple[Translate, int]:
    """Trains a model from sources to their images.

    Args:
        name: condition, map or regression.
        network: as benchmarks/datasets.py has them.
        pairs: to learn from.
        seconds: processor time of the training, from its second step on.
        seed: of weights, order and noise.

    Returns:
        The model, and the number of its steps.
    """
    options = ModelOptions.model_validate(
        {key: value for key, value in network.items() if key in ModelOptions.model_fields}
    )
    build = _regression if name == "regression" else _ours
    model, to_batch, translate = build(options, pairs.images.shape[1:], seed, name)

    def read(source: tf.Tensor, x1: tf.Tensor) -> Any:
        return to_batch(preprocessing.to_float(source), preprocessing.to_float(x1))

    dataset = tf.data.Dataset.from_tensor_slices(tuple(pairs)).shuffle(SHUFFLED, seed).repeat()
    dataset = dataset.batch(BATCH).map(read, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    stop = _Stop(seconds)
    model.fit(dataset, steps_per_epoch=10**9, verbose=0, callbacks=[stop])

    def translate_all(sources: np.ndarray, first: int, solver: str) -> np.ndarray:
        chunks = range(0, len(sources), CHUNK)
        parts = [preprocessing.to_float(tf.constant(sources[i : i + CHUNK])) for i in chunks]
        results = [
            translate(part, first + i, solver) for part, i in zip(parts, chunks, strict=True)
        ]
        return np.concatenate([preprocessing.to_uint8(result).numpy() for result in results])

    return translate_all, stop.steps


def _ours(options: ModelOptions, shape: tuple[int, int, int], seed: int, use: str) -> _Method:
    source = Source(degrade=None, use=use)  # wherever they are from
    training = TrainOptions(
        seed=seed,
        learning_rate=LEARNING_RATE,
        decay="constant",
        ema=EmaOptions(half_life=HALF_LIFE),
    )
    model = build_model(options, training, SampleOptions(), shape, source=source)
    samplers = {solver: Transport(Sampling(solver), model.field) for solver in (MANY, FEW)}
    if use == "map":
        return (
            model,
            lambda x0, x1: (x0, x1),
            lambda x0, _, solver: samplers[solver].end(NB_STEP, x0),
        )

    def translate(sources: tf.Tensor, first: int, solver: str) -> tf.Tensor:
        noise = noise_from_seeds(tf.range(first, first + len(sources), dtype=tf.int64), shape)
        return samplers[solver].end(NB_STEP, noise, sources)

    return model, lambda source, x1: {"x1": x1, "source": source}, translate


def _regression(options: ModelOptions, shape: tuple[int, int, int], seed: int, _: str) -> _Method:
    """The U-Net with alpha at 0: it adds to the source what is missing."""
    keras.utils.set_random_seed(seed)
    network = build_unet(options, shape)
    x = keras.Input(shape)
    model = keras.Model(x, x + network([x, 0.0 * x[:, 0, 0, 0]]))
    momentum = 0.5 ** (BATCH / HALF_LIFE)
    optimizer = keras.optimizers.Adam(
        LEARNING_RATE, global_clipnorm=1.0, use_ema=True, ema_momentum=momentum
    )
    model.compile(optimizer, loss="mean_squared_error")
    return model, lambda source, x1: (source, x1), lambda source, *_: model(source, training=False)
