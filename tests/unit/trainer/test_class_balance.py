from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from trainer import class_balance, dataset, examples, train
from trainer.class_balance import ClassBalance
from trainer.options import TrainOptions
from trainer.records import read_records

COUNTS = {"cats": 32, "dogs": 8, "": 5}  # the last ones lie outside folders
LABELS = ["cats", "dogs"]
EPOCHS = 40


def bytes_feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def example(label, path):
    features = {examples.LABEL: bytes_feature(label), examples.PATH: bytes_feature(path)}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture
def files(tmp_path):
    """Records of which the path names label and number, in two files and in a mixed order."""
    records = [example(label, f"{label}/{i}") for label in COUNTS for i in range(COUNTS[label])]
    records = [records[i] for i in np.random.default_rng(0).permutation(len(records))]
    paths = [str(tmp_path / "a.gz"), str(tmp_path / "b.gz")]
    for path, part in zip(paths, (records[:20], records[20:]), strict=True):
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for record in part:
                writer.write(record)
    return paths


def path_of(record):
    parsed = tf.train.Example.FromString(record)
    return parsed.features.feature[examples.PATH].bytes_list.value[0].decode()


def epoch_of(balance, files, epoch):
    """How often each image is there."""
    records = balance.repeat(read_records(files), tf.constant(epoch, tf.int64))
    return Counter(path_of(record) for record in records.as_numpy_iterator())


def by_label(paths):
    return Counter(path.split("/")[0] for path in paths.elements())


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        (1.0, {"cats": 32, "dogs": 32, "": 25}),  # none more than 5 times
        (0.5, {"cats": 32, "dogs": 16, "": 13}),  # 8 sqrt(32 / 8), 5 sqrt(32 / 5) = 12.6
        (0.0, COUNTS),
    ],
)
def test_small_classes_are_seen_more_often_by_the_power_of_their_size(files, balance, expected):
    balanced = ClassBalance(files, LABELS, balance)
    assert balanced.nb_example == sum(expected.values())
    for epoch in range(3):
        assert by_label(epoch_of(balanced, files, epoch)) == expected


def test_images_of_a_class_take_turns_in_being_repeated(files):
    balanced = ClassBalance(files, LABELS, 0.5)
    epochs = [epoch_of(balanced, files, epoch) for epoch in range(EPOCHS)]
    assert {epoch["/0"] for epoch in epochs} == {2, 3}  # of 5 images, 13 are due
    total = sum(epochs, Counter())
    for label, count in COUNTS.items():
        seen = [total[f"{label}/{i}"] for i in range(count)]
        assert max(seen) - min(seen) <= 2


def test_the_number_of_records_read_at_once_changes_nothing(files, monkeypatch):
    whole = epoch_of(ClassBalance(files, LABELS, 0.5), files, 3)
    monkeypatch.setattr(class_balance, "_ROWS", 4)
    assert epoch_of(ClassBalance(files, LABELS, 0.5), files, 3) == whole


def read(files, start, batches):
    def preprocess(serialized):
        keys = (examples.PATH, examples.LABEL)
        spec = {key: tf.io.FixedLenFeature([], tf.string) for key in keys}
        parsed = tf.io.parse_example(serialized, spec)
        numbers = tf.strings.to_hash_bucket_fast(parsed[examples.PATH], 2**20)
        image = tf.cast(numbers, tf.float32)[:, None, None, None]
        return {"image": image, "label": parsed[examples.LABEL]}

    how = {"labels": LABELS, "class_balance": 0.5, "shuffle_buffer": 16, "start_step": start}
    return [*dataset.train_dataset(files, preprocess, 8, seed=1, **how).take(batches)]


def test_a_balanced_training_resumes_where_it_stopped(files):
    whole, rest = read(files, 0, 20), read(files, 9, 11)  # 61 images in an epoch
    for before, after in zip(whole[9:], rest, strict=True):
        np.testing.assert_array_equal(before["x1"], after["x1"])
        np.testing.assert_array_equal(before["label"], after["label"])


def test_a_training_is_balanced_as_its_options_say(files, monkeypatch):
    seen = {}

    def train_dataset(*_, **how):
        seen.update(how)
        return tf.data.Dataset.range(1)

    monkeypatch.setattr(train, "train_dataset", train_dataset)
    data = dataset.TrainingData(files, None, (1, 1, 1), labels=LABELS)
    train._batches(data, tf.distribute.get_strategy(), TrainOptions(class_balance=0.5), 0)
    assert (seen["labels"], seen["class_balance"]) == (LABELS, 0.5)


def test_batches_of_a_balanced_training_have_classes_in_its_proportions(files):
    seen = Counter(np.concatenate([batch["label"] for batch in read(files, 0, 61)]).tolist())
    assert seen == {0: 8 * 32, 1: 8 * 16, 2: 8 * 13}
