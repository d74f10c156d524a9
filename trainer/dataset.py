"""Reads the examples of ImageExampleGen as batches of images in [-1, 1], by Transform's graph.

Everything here is a function of its arguments: the same seed gives the same order, and a resumed
training continues from the position it had reached.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer import examples
from trainer.class_balance import ClassBalance
from trainer.common.progress import phase
from trainer.labels import NO_LABEL, LabelEncoder, TooFewClassesError
from trainer.preprocessing import VOCABULARY
from trainer.records import Preprocess, count_records, read_records
from trainer.source.options import Source
from trainer.step import augmenting

WHOLE = tf.distribute.InputContext()  # one worker with one replica


@dataclass(frozen=True)
class TrainingData:
    """The examples that a model is trained on.

    Attributes:
        files: gzipped TFRecord files of the train split.
        preprocess: as `load_preprocessor` of trainer/records.py returns it.
        shape: (H, W, C) of an image.
        held_out: files of the eval split, whose loss is measured now and then.
        labels: names of the classes of a conditional model, in the order of their ids.
        split: the configuration keys that determine which images are held out. A warm start
            requires a base model with the same ones, so that it has seen no image held out now.
        source: where the images have sources, how these are used.
        sources: files of the sources of images that are not paired with theirs (Source.paired).
        held_out_sources: the same beside `held_out`.
    """

    files: Sequence[str]
    preprocess: Preprocess
    shape: tuple[int, int, int]
    held_out: Sequence[str] = ()
    labels: Sequence[str] = ()
    split: Mapping[str, Any] | None = None
    source: Source | None = None
    sources: Sequence[str] = ()
    held_out_sources: Sequence[str] = ()


def load_labels(transform_graph: str) -> list[str]:
    """Loads the labels of the train split, sorted, so that ids do not depend on their frequency.

    Args:
        transform_graph: the URI of a TransformGraph artifact of a conditional model.

    Raises:
        TooFewClassesError: there are fewer than two labels.
    """
    found = tft.TFTransformOutput(transform_graph).vocabulary_by_name(VOCABULARY)
    labels = sorted({label.decode() for label in found} - {NO_LABEL})
    if len(labels) < 2:
        found_labels = f"found only {labels[0]!r}" if labels else "found none"
        raise TooFewClassesError(
            f"model.conditional=true needs training images with at least 2 labels, {found_labels}: "
            "put each class into its own folder below data.folder, with more images than the few "
            "that may all be held out or rejected, or set model.conditional=false"
        )
    return labels


def train_dataset(
    files: Sequence[str],
    preprocess: Preprocess,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    flip: bool = False,
    augment: float = 0.0,
    shuffle_buffer: int = 10_000,
    labels: Sequence[str] = (),
    class_balance: float = 0.0,
    source: Source | None = None,
    sources: Sequence[str] = (),
    part: tf.distribute.InputContext = WHOLE,
) -> tf.data.Dataset:
    """Returns endless shuffled batches of x1, float32 [N, H, W, C] in [-1, 1].

    With labels, sources or augmentation, batches are dictionaries of `x1`, `label`,
    int64 [N] (class ids as in trainer/labels.py), `augmentation`, int64 [N] (codes as in
    trainer/networks/augmentations.py), and `source`, float32 [N, H, W, S], or in its place `x0`,
    float32 [N, H, W, C], where sources are mapped to images.

    Each epoch has its own order; batches cross epoch boundaries, so no image is dropped.

    All workers read the same order, and each decodes its own rows of every batch: with n workers,
    worker i (from 0) takes rows i batch_size / n to (i + 1) batch_size / n. Each of its replicas in
    turn gets one element of the dataset, with N = batch_size / replicas rows.

    Args:
        files: gzipped TFRecord files of the train split.
        preprocess: as `load_preprocessor` of trainer/records.py returns it.
        batch_size: images per batch over all replicas; divisible by the number of replicas.
        seed: seed of order and augmentation.
        start_step: batches already trained on; reading starts after them.
        flip: mirror every image and its source left to right with probability one half.
        augment: probability of each other transform of an image and its source (TrainOptions).
        shuffle_buffer: encoded images in memory. Examples are stored in the order of their hash, so
            a buffer smaller than the data still mixes well; but an image and its copies by
            `class_balance` spread no further than the buffer.
        labels: names of the classes of a conditional model.
        class_balance: how often images of small classes are repeated in an epoch (TrainOptions);
            without labels, none is.
        source: how sources are used; None for images without.
        sources: as in TrainingData; they have an order of their own.
        part: index and number of workers, and number of replicas; by default one worker reads all.

    Raises:
        ValueError: the files hold no example.
    """
    first_row = start_step * batch_size
    with phase("counting the examples"):
        balance = ClassBalance(files, labels, class_balance) if labels and class_balance else None
        streams = [_endless(files, seed, first_row, shuffle_buffer, balance)]
        if sources:  # with one seed, as many sources as images would be the same pairs each epoch
            streams.append(_endless(sources, seed + 1, first_row, shuffle_buffer))
    nb_local = batch_size // part.num_input_pipelines
    first = part.input_pipeline_id * nb_local
    nb_replica_rows = part.get_per_replica_batch_size(batch_size)
    encode = LabelEncoder(labels) if labels else None
    read_example = _reader(preprocess, encode, source)

    def split(rows: tf.Tensor) -> tf.Tensor:
        return tf.reshape(rows[first : first + nb_local], [-1, nb_replica_rows])

    def draw(step: tf.Tensor) -> tf.Tensor:
        seeds = tf.stack([tf.constant(seed, tf.int64), step])
        return augmenting.draw_augmentations(seeds, batch_size, flip, augment)

    def add_drawn(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        *records, step = batch
        drawn = [draw(step)] if flip or augment else []
        return tuple(split(each) for each in (*drawn, *records))

    def read(*rows: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
        *drawn, serialized = rows[:-1] if sources else rows
        return read_example(serialized, rows[-1] if sources else None, *drawn)

    steps = tf.data.Dataset.counter(start_step)
    batches = (stream.batch(batch_size, drop_remainder=True) for stream in streams)
    return (
        tf.data.Dataset.zip(*batches, steps)
        .map(add_drawn)
        .unbatch()
        .map(read, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_without_tuning())
    )


def _endless(
    files: Sequence[str],
    seed: int,
    first: int,
    shuffle_buffer: int,
    balance: ClassBalance | None = None,
) -> tf.data.Dataset:
    """All records in a new order in each epoch, from the row `first` on."""
    nb_example = balance.nb_example if balance else count_records(files)
    if not nb_example:
        raise ValueError("the train split holds no example")
    epoch, offset = divmod(first, nb_example)

    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        # `shuffle` accepts a tensor as seed only if the seed of the graph, local to this trace, is
        # not zero. The order depends on both.
        tf.random.set_seed(seed + 1)
        records = read_records(files)
        if balance:
            records = balance.repeat(records, epoch)
        return records.shuffle(shuffle_buffer, seed=epoch, reshuffle_each_iteration=False)

    return tf.data.Dataset.range(epoch, tf.int64.max).flat_map(shuffled).skip(offset)


def held_out_dataset(
    files: Sequence[str],
    preprocess: Preprocess,
    batch_size: int,
    count: int,
    labels: Sequence[str] = (),
    source: Source | None = None,
    sources: Sequence[str] = (),
) -> tf.data.Dataset:
    """Returns the first images of a split, in batches as those of `train_dataset`.

    Examples are stored in the order of their hash, so the first ones are a fair choice.

    Args:
        files: gzipped TFRecord files.
        preprocess: as `load_preprocessor` of trainer/records.py returns it.
        batch_size: images per batch; the last one may have fewer.
        count: number of images, if there are as many.
        labels: names of the classes of a conditional model. An image of another class, which only
            held-out images may have, has no label.
        source: how sources are used; None for images without.
        sources: as in TrainingData; the first ones, again and again if they are fewer.
    """
    records = read_records(files).take(count)
    if sources:
        records = tf.data.Dataset.zip(records, read_records(sources).repeat())
    encode = LabelEncoder(labels).encode_known if labels else None
    read = _reader(preprocess, encode, source)
    return records.batch(batch_size).map(read).with_options(_without_tuning())


def _without_tuning() -> tf.data.Options:
    """Dataset options that disable autotuning, whose thread may delay the end of a training.

    The thread doubles its sleep each time, up to a minute, and may miss that its iterator ends.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def first_images(
    data: TrainingData, files: Sequence[str], batch_size: int, count: int
) -> tf.data.Dataset:
    """Returns the first `count` images of files of the data, as `held_out_dataset` does."""
    sources = data.sources if files is data.files else data.held_out_sources
    how = (data.labels, data.source, sources)
    return held_out_dataset(files, data.preprocess, batch_size, count, *how)


def to_batch(
    x1: tf.Tensor,
    label: tf.Tensor | None,
    source: Source | None,
    sources: tf.Tensor | None,
    augmentation: tf.Tensor | None = None,
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Makes a batch as `train_dataset` describes it.

    Args:
        x1: float32 [N, H, W, C].
        label: class ids, int64 [N], for a conditional model.
        source: how sources are used; None for images without.
        sources: float32 [N, H, W, S], of images with.
        augmentation: codes, int64 [N], where images are augmented.
    """
    batch = {"x1": x1}
    if source:
        seen = source.use == "condition"
        batch |= {"source": sources} if seen else {"x0": sources[..., : x1.shape[-1]]}
    if label is not None:
        batch["label"] = label
    if augmentation is not None:
        batch["augmentation"] = augmentation
    return batch if len(batch) > 1 else x1


def _reader(
    preprocess: Preprocess,
    encode: Callable[[tf.Tensor], tf.Tensor] | None,
    source: Source | None,
) -> Callable[..., tf.Tensor | dict[str, tf.Tensor]]:
    """A function from serialized examples to a batch.

    It also takes those of sources that are not paired with them, and how to augment both. Sources
    are augmented as their images are, or a network would be asked for images from more than the
    sources that are there.
    """

    def read(
        serialized: tf.Tensor,
        others: tf.Tensor | None = None,
        drawn: tf.Tensor | None = None,
    ) -> tf.Tensor | dict[str, tf.Tensor]:
        def augmented(x: tf.Tensor) -> tf.Tensor:
            return x if drawn is None else augmenting.augment(x, drawn)

        features = preprocess(serialized)
        label = encode(features[examples.LABEL]) if encode else None
        x1 = augmented(features[examples.IMAGE])
        sources = None
        if others is not None:
            sources = augmented(preprocess(others)[examples.IMAGE])
        elif source:
            sources = augmented(features[examples.SOURCE])
        return to_batch(x1, label, source, sources, drawn)

    return read
