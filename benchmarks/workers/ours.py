"""Benchmarks this project: `ours.py NETWORK [OPTIONS]`.

The network is JSON as for official.py, and may have a `patch`; the options are JSON of
TrainOptions, for all but `fit`, which gets its own.
"""

import functools
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np
import tensorflow as tf
from serve import THREADS, serve

from trainer import examples, preprocessing
from trainer.build import build_model
from trainer.dataset import TrainingData
from trainer.fit.precision import resolve_precision
from trainer.fit.stored_weights import save_weights
from trainer.networks.attention import DotProductAttention
from trainer.networks.group_norm import GroupNorm
from trainer.networks.step_length import take_steps
from trainer.ode import methods, solvers
from trainer.ode.field import vector_field
from trainer.ode.methods import step_ends
from trainer.ode.options import SampleOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions, TrainOptions
from trainer.serving.sampler import Sampler
from trainer.step.path import noise_from_seeds
from trainer.student.mean_flow import MeanFlowModel
from trainer.train import Trained
from trainer.train import train as train_on_files

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
NETWORK = json.loads(sys.argv[1])
SHAPE = (NETWORK["side"], NETWORK["side"], NETWORK["image_channels"])
OPTIONS = ModelOptions.model_validate(
    {k: v for k, v in NETWORK.items() if k in ModelOptions.model_fields}
)


def _resolved(options: TrainOptions) -> TrainOptions:
    return resolve_precision(options, tf.distribute.get_strategy())[0]


TRAINING = _resolved(TrainOptions.model_validate_json(sys.argv[2] if len(sys.argv) > 2 else "{}"))
model = build_model(OPTIONS, TRAINING, SampleOptions(), SHAPE)


def parameters() -> int:
    """Counts the weights."""
    return model.network.count_params()


def peak(side: int) -> float:
    """Measures the fastest of a few products of square matrices in our precision, in GFLOP/s."""
    a = tf.cast(tf.random.normal([side, side]), TRAINING.precision)
    product = tf.function(lambda: tf.linalg.matmul(a, a)[0, 0])
    seconds = []
    for _ in range(8):
        started = time.monotonic()
        product().numpy()
        seconds.append(time.monotonic() - started)
    return 2 * side**3 / min(seconds) / 1e9


def train(batch_size: int, steps: int, clock: str = "monotonic") -> float:
    """Times steps of `fit`, in seconds of a clock of `time`: wall time or `process_time`."""
    now = getattr(time, clock)
    x1 = tf.random.normal([batch_size, *SHAPE])
    batches = tf.data.Dataset.from_tensors(x1).repeat()
    started = now()
    model.fit(batches, steps_per_epoch=steps, verbose=0)
    return now() - started


def sample(batch_size: int, nb_step: int) -> float:
    """Times `transport` of one batch, in seconds."""
    x0 = tf.random.normal([batch_size, *SHAPE])
    started = time.monotonic()
    model.transport(x0, nb_step).numpy()
    return time.monotonic() - started


def sample_eagerly(batch_size: int, nb_step: int, own_layers: bool) -> float:
    """Times the loop of a peer, a TensorFlow port that calls a Keras network step by step.

    The port uses Keras's layers only; with `own_layers` it uses ours.
    """
    network = model.network if own_layers else _with_layers_of_keras()
    x = tf.random.normal([batch_size, *SHAPE])
    started = time.monotonic()
    states = [x]
    for i in range(nb_step):
        difference = network([x, tf.fill([batch_size], i / nb_step)], training=False)
        x = x + difference / nb_step
        states.append(x)
    x.numpy()
    return time.monotonic() - started


class EinsumAttention(keras.layers.Layer):
    """The products of keras.layers.MultiHeadAttention, without its projections."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Does what DotProductAttention does."""
        ops = keras.ops
        _, length, channels = inputs[0].shape
        depth = channels // self.heads
        query, key, value = (ops.reshape(x, [-1, length, self.heads, depth]) for x in inputs)
        scores = ops.einsum("aecd,abcd->acbe", key, query * depth**-0.5)
        attended = ops.einsum("acbe,aecd->abcd", ops.softmax(scores), value)
        return ops.reshape(attended, [-1, length, channels])


@functools.cache
def _with_layers_of_keras() -> keras.Model:
    def clone(layer: keras.Layer) -> keras.Layer:
        if type(layer) is GroupNorm:
            return keras.layers.GroupNormalization(layer.groups, epsilon=layer.epsilon)
        if isinstance(layer, DotProductAttention):
            return EinsumAttention(layer.heads)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model.network, clone_function=clone)


def fit(images: str, options: dict, folder: str) -> dict:
    """Trains from scratch, as the Trainer does, on a file of images, uint8 [N, H, W, C].

    Saves the averaged weights as FOLDER/ema.weights.h5.

    Returns:
        Seconds, seconds of processor time, and steps.
    """
    global model
    records = Path(folder, "train.gz")
    if not records.exists():  # else an earlier call has written them, and rivals need not wait
        _write_records(np.load(images), str(records))
    started, started_cpu = time.monotonic(), time.process_time()
    trained = _train_on_files(TrainingData([str(records)], _preprocess, SHAPE), options, folder)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - started_cpu
    model = trained.model
    model.ema_network.save_weights(f"{folder}/ema.weights.h5")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "steps": trained.metrics["steps"]}


def distill(options: dict, records: str, folder: str) -> float:
    """Distills the network that draws samples, as a pipeline does; it then is the student's.

    Args:
        options: TrainOptions of the student.
        records: that `fit` wrote.
        folder: for all files; new.

    Returns:
        Seconds of the training.
    """
    global model
    teacher = f"{folder}/teacher/Format-Serving"
    sample = SampleOptions()
    config = {"model": OPTIONS.model_dump(mode="json"), "sample": sample.model_dump(mode="json")}
    metadata = {"nb_step": sample.nb_step, "shape": SHAPE, "split": None, "config": config}
    Sampler(model.ema_network, SHAPE, Sampling(sample.solver, nb_step=sample.nb_step)).save(
        teacher, metadata
    )
    save_weights(model, teacher)
    started = time.monotonic()
    data = TrainingData([records], _preprocess, SHAPE)
    model = _train_on_files(data, options, f"{folder}/student", teacher).model
    return time.monotonic() - started


def _train_on_files(
    data: TrainingData, options: dict, folder: str, teacher: str | None = None
) -> Trained:
    return train_on_files(
        data,
        tf.distribute.get_strategy(),
        model_options=OPTIONS,
        train_options=_resolved(TrainOptions.model_validate(options)),
        sample_options=SampleOptions(),
        checkpoints_folder=f"{folder}/checkpoints",
        log_folder=f"{folder}/logs",
        latest_samples=f"{folder}/latest.png",
        base_model=teacher,
        is_student=teacher is not None,
    )


def _write_records(images: np.ndarray, path: str) -> None:
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
        for image in images:
            png = tf.train.BytesList(value=[tf.io.encode_png(image).numpy()])
            features = {examples.IMAGE: tf.train.Feature(bytes_list=png)}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def _preprocess(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    spec = {examples.IMAGE: tf.io.FixedLenFeature([], tf.string)}
    features = tf.io.parse_example(serialized, spec)
    features[examples.LABEL] = tf.zeros_like(features[examples.IMAGE])
    return preprocessing.preprocessing_fn(features, {"resolution": SHAPE[0], "channels": SHAPE[2]})


def load(weights: str) -> None:
    """Loads weights that `fit` saved."""
    model.ema_network.load_weights(weights)


def draw(path: str, count: int, batch_size: int, solver: str, grid: str, nb_step: int) -> float:
    """Writes samples, float32 [count, H, W, C], to a file; returns the seconds that took."""
    network = model.ema_network
    if isinstance(model, MeanFlowModel):
        network = take_steps(network, step_ends(nb_step, grid))
    chosen, field = methods.get(solver, grid), vector_field(network)
    sample = tf.function(lambda x0, nb_step: solvers.solve(chosen, field, x0, nb_step))
    started = time.monotonic()
    drawn = []
    for first in range(0, count, batch_size):
        seeds = tf.range(first, min(first + batch_size, count), dtype=tf.int64)
        drawn.append(sample(noise_from_seeds(seeds, SHAPE), tf.constant(nb_step)).numpy())
    seconds = time.monotonic() - started
    np.save(path, np.concatenate(drawn))
    return seconds


def export(folder: str, nb_step: int, solver: str = "euler") -> None:
    """Writes the sampler SavedModel."""
    Sampler(model.ema_network, SHAPE, Sampling(solver, nb_step=nb_step)).save(
        folder, {"nb_step": nb_step}
    )


CALLS = (parameters, peak, train, sample, sample_eagerly, fit, load, draw, export, distill)
serve({f.__name__: f for f in CALLS})
