import numpy as np
import pytest
import tensorflow as tf

from trainer import dataset
from trainer.labels import TooFewClassesError
from trainer.source.options import Source
from trainer.step.augmenting import augment

COUNT, BATCH = 10, 4


@pytest.fixture
def files(tmp_path):
    """Ten records in two files; record i contains i."""
    paths = [str(tmp_path / "a.gz"), str(tmp_path / "b.gz")]
    for path, numbers in zip(paths, (range(6), range(6, COUNT)), strict=True):
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for number in numbers:
                writer.write(str(number).encode())
    return paths


def preprocess(serialized):
    """Makes an image, 1x2x1, with the record's number as left and -1 as right pixel."""
    numbers = tf.strings.to_number(serialized)
    parity = tf.gather(["even", "odd", ""], tf.cast(numbers, tf.int32) % 2)
    label = tf.where(numbers == 9, "", parity)
    image = tf.stack([numbers, -tf.ones_like(numbers)], 1)[:, None, :, None]
    return {"image": image, "label": label}


def read(files, batches, **kwargs):
    kwargs = {"seed": 0, "shuffle_buffer": COUNT} | kwargs
    ds = dataset.train_dataset(files, preprocess, BATCH, **kwargs).take(batches)
    return np.stack([batch["x1"] if kwargs.get("flip") else batch for batch in ds])


def numbers(images):
    return images.max(axis=(2, 3, 4)).astype(int).ravel().tolist()


def test_every_epoch_has_every_image_once_in_its_own_order(files):
    order = numbers(read(files, 5))
    assert sorted(order[:COUNT]) == sorted(order[COUNT:]) == list(range(COUNT))
    assert order[:COUNT] != order[COUNT:]


def test_the_seed_determines_the_order(files):
    assert numbers(read(files, 5)) == numbers(read(files, 5))
    assert numbers(read(files, 5)) != numbers(read(files, 5, seed=1))


def test_reading_resumes_where_it_stopped(files):
    whole = read(files, 10, flip=True, augment=0.5)
    for start in (1, 3, 7):
        rest = read(files, 10 - start, flip=True, augment=0.5, start_step=start)
        np.testing.assert_array_equal(rest, whole[start:])


def test_about_half_of_the_images_are_flipped(files):
    images = read(files, 100, flip=True)
    flipped = np.mean(images[:, :, 0, 0, 0] == -1)
    assert 0.4 < flipped < 0.6


def test_a_batch_tells_which_of_its_images_are_flipped(files):
    ds = dataset.train_dataset(files, preprocess, BATCH, seed=0, shuffle_buffer=COUNT, flip=True)
    for batch in ds.take(5):
        np.testing.assert_array_equal(batch["augmentation"], batch["x1"][:, 0, 0, 0] == -1)


def test_a_batch_tells_how_its_images_are_augmented(files):
    kwargs = {"seed": 0, "shuffle_buffer": COUNT}
    plain = dataset.train_dataset(files, preprocess, BATCH, **kwargs)
    augmented = dataset.train_dataset(files, preprocess, BATCH, augment=0.5, **kwargs)
    codes = set()
    for x1, batch in zip(plain, augmented.take(20), strict=False):
        np.testing.assert_array_equal(batch["x1"], augment(x1, batch["augmentation"]))
        codes |= set(batch["augmentation"].numpy().tolist())
    assert len(codes) > 10
    assert not any(code % 2 for code in codes)  # none is mirrored


def test_by_default_no_image_is_flipped(files):
    assert np.all(read(files, 20)[:, :, 0, 1, 0] == -1)


def test_batches_of_a_conditional_model_hold_the_class_id_of_each_image(files):
    plain = read(files, 5, flip=True)
    kwargs = {"seed": 0, "shuffle_buffer": COUNT, "flip": True, "labels": ["even", "odd"]}
    labeled = dataset.train_dataset(files, preprocess, BATCH, **kwargs).take(5)
    for x1, batch in zip(plain, labeled, strict=True):
        np.testing.assert_array_equal(batch["x1"], x1)
        assert batch["label"].dtype == tf.int64
        ids = [2 if number == 9 else number % 2 for number in numbers(x1[None])]
        np.testing.assert_array_equal(batch["label"], ids)


def test_an_unknown_label_is_an_error_that_lists_the_classes(files):
    batches = dataset.train_dataset(files, preprocess, BATCH, seed=0, labels=["even", "other"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="known: even, other; empty for none"):
        next(iter(batches.skip(3)))


@pytest.mark.parametrize(
    ("found", "message"),
    [([], "found none: put each class into its own folder"), (["cat"], "found only 'cat': put")],
)
def test_fewer_than_two_labels_are_an_error_with_a_remedy(transform_graph, found, message):
    with pytest.raises(TooFewClassesError, match=message) as error:
        dataset.load_labels(transform_graph((*found, "", ""), conditional=True))
    assert "\n" not in str(error.value)


def test_labels_are_sorted_however_many_images_each_has(transform_graph):
    labels = ("b", "a", "b", "", "two\nlines", "b", "é", "é")
    assert dataset.load_labels(transform_graph(labels, conditional=True)) == [
        "a",
        "b",
        "two\nlines",
        "é",
    ]


def test_the_graph_of_an_unconditional_model_holds_no_vocabulary(transform_graph):
    with pytest.raises(ValueError, match="does not exist"):
        dataset.load_labels(transform_graph(("a", "b"), conditional=False))


@pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 4)])
def test_the_parts_of_a_batch_add_up_to_the_batch_of_one_worker(files, workers, replicas):
    local = replicas // workers
    whole = read(files, 6, flip=True, start_step=2)
    parts = [
        read(
            files,
            6 * local,
            flip=True,
            start_step=2,
            part=tf.distribute.InputContext(workers, index, replicas),
        )
        for index in range(workers)
    ]
    for step, batch in enumerate(whole):
        rows = [part[step * local + i] for part in parts for i in range(local)]
        np.testing.assert_array_equal(np.concatenate(rows), batch)


def test_autotuning_is_disabled(files):
    ds = dataset.train_dataset(files, preprocess, BATCH, seed=0)
    assert ds.options().autotune.enabled is False


def test_a_split_without_examples_is_an_error(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "empty.gz"), "GZIP"):
        pass
    with pytest.raises(ValueError, match="no example"):
        dataset.train_dataset([str(tmp_path / "empty.gz")], preprocess, BATCH, seed=0)


def with_source(serialized):
    """Adds a source with two channels, the first of them the image plus 100."""
    features = preprocess(serialized)
    image = features["image"]
    return features | {"source": tf.concat([image + 100, 2 * image], -1)}


@pytest.mark.parametrize(
    ("use", "key", "flip"),
    [("condition", "source", False), ("condition", "source", True), ("map", "x0", True)],
)
def test_a_source_is_beside_its_image_and_mirrored_with_it(files, use, key, flip):
    source = Source(degrade="mask box", use=use)
    batches = dataset.train_dataset(files, with_source, BATCH, seed=0, flip=flip, source=source)
    mirrored = set()
    for batch in batches.take(5):
        assert batch.keys() == ({"x1", key, "augmentation"} if flip else {"x1", key})
        x1, given = batch["x1"].numpy(), batch[key].numpy()
        assert given.shape[-1] == (2 if use == "condition" else 1)
        np.testing.assert_array_equal(given[..., :1], x1 + 100)
        mirrored |= set((x1[:, :, 0, 0] == -1).ravel())
    assert mirrored == ({False, True} if flip else {False})


def test_held_out_batches_have_labels_and_sources(files):
    source = Source(degrade="mask box")
    (batch,) = dataset.held_out_dataset(files, with_source, 4, 3, ["even", "odd"], source)
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "x1": (3, 1, 2, 1),
        "source": (3, 1, 2, 2),
        "label": (3,),
    }


def test_a_held_out_image_of_a_class_that_no_training_image_has_counts_as_unlabeled(files):
    (batch,) = dataset.held_out_dataset(files, preprocess, COUNT, COUNT, ["even", "small"])
    ids = [0 if number % 2 == 0 else 2 for number in numbers(batch["x1"].numpy()[None])]
    np.testing.assert_array_equal(batch["label"], ids)


@pytest.fixture
def others(tmp_path):
    """As many records as there are images; record i contains 100 + i."""
    path = str(tmp_path / "sources.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number in range(100, 100 + COUNT):
            writer.write(str(number).encode())
    return [path]


UNPAIRED = Source(degrade=None, use="map", paired=False)


def read_unpaired(files, others, batches, **kwargs):
    """The numbers of x0 and of x1, and the two arrays."""
    kwargs = {"seed": 0, "shuffle_buffer": COUNT, "source": UNPAIRED, "sources": others} | kwargs
    ds = dataset.train_dataset(files, preprocess, BATCH, **kwargs).take(batches)
    x0, x1 = (np.stack([batch[key] for batch in ds]) for key in ("x0", "x1"))
    return numbers(x0), numbers(x1), x0, x1


def test_unpaired_sources_have_an_order_of_their_own_in_each_epoch(files, others):
    x0, x1, *_ = read_unpaired(files, others, 10)
    assert sorted(x0[:COUNT]) == list(range(100, 100 + COUNT))
    epochs = [set(zip(x0[i : i + COUNT], x1[i : i + COUNT], strict=True)) for i in (0, COUNT)]
    assert len(epochs[0] & epochs[1]) < COUNT / 2  # not the same pairs again
    assert x1 == numbers(read(files, 10))


def test_fewer_sources_than_images_are_read_more_often(files, others):
    x0, x1, *_ = read_unpaired(others, files[1:], 5)
    assert {x0.count(number) for number in range(6, COUNT)} == {5}
    assert {x1.count(number) for number in range(100, 100 + COUNT)} == {2}


def test_reading_unpaired_sources_resumes_where_it_stopped(files, others):
    *_, x0, x1 = read_unpaired(files, others, 10, flip=True)
    for start in (1, 7):
        *_, rest0, rest1 = read_unpaired(files, others, 10 - start, flip=True, start_step=start)
        np.testing.assert_array_equal(rest0, x0[start:])
        np.testing.assert_array_equal(rest1, x1[start:])


def test_unpaired_sources_are_mirrored_as_the_images_beside_them(files, others):
    *_, x0, x1 = read_unpaired(files, others, 100, flip=True)
    mirrored = np.stack([each[:, :, 0, 0, 0].ravel() == -1 for each in (x0, x1)])
    np.testing.assert_array_equal(*mirrored)
    assert 0.4 < mirrored[0].mean() < 0.6


def test_held_out_images_have_the_first_unpaired_sources(files, others):
    ds = dataset.held_out_dataset(files, preprocess, 4, 7, (), UNPAIRED, sources=others[:1])
    batches = list(ds)
    assert [numbers(batch["x0"].numpy()[None]) for batch in batches] == [
        [100, 101, 102, 103],
        [104, 105, 106],
    ]
    (batch,) = dataset.held_out_dataset(others, preprocess, 8, 6, (), UNPAIRED, sources=files[1:])
    assert numbers(batch["x0"].numpy()[None]) == [6, 7, 8, 9, 6, 7]
