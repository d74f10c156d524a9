"""The picture of pairs shows, below each sample, the training image nearest to it."""

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, open_png, serialize

from components.images.batches import ImageBatch
from components.images.features import ImageFeatures
from components.images.records import example_key
from components.sample_evaluator.measure.nearest import FindNearest
from components.sample_evaluator.pictures.nearest_pairs import PAIRS, WriteNearestPairs
from components.sample_evaluator.samples.draw import seed_key
from components.sample_evaluator.sources import CANDIDATE, REAL, TRAIN
from trainer.common.image_grid import image_grid

SEED = 11
SIDE = 68  # pixels of an enlarged digit with a gap


def features_of(images, keys, source=TRAIN):
    return [
        ImageFeatures(source, key, "", False, image.tobytes(), image.ravel().astype(np.float32))
        for key, image in zip(keys, images, strict=True)
    ]


@pytest.fixture
def write(transform_graph, tmp_path):
    """Writes the picture of these samples and training images; returns it, None without one."""

    def run(samples, train, batch_size=32):
        records = [serialize(image) for image in train]
        training = features_of(train, [example_key(record) for record in records])
        keys = [seed_key(SEED + i) for i in range(len(samples))]
        queries = [
            image._replace(views=np.stack([image.vector, mirrored.vector]))
            for source in (CANDIDATE, REAL)
            for image, mirrored in zip(
                features_of(samples, keys, source),
                features_of(samples[:, :, ::-1], keys),
                strict=True,
            )
        ]
        batches = [
            ImageBatch(CANDIDATE, keys[i : i + batch_size], [], samples[i : i + batch_size])
            for i in range(0, len(samples), batch_size)
        ]
        path = tmp_path / "pairs.png"
        with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
            sought = pipeline | "Queries" >> beam.Create(queries)
            nearest = pipeline | "Training" >> beam.Create(training) | FindNearest(sought)
            drawn = pipeline | "Samples" >> beam.Create(batches)
            stored = pipeline | "Records" >> beam.Create(records)
            _ = (drawn, nearest, stored) | WriteNearestPairs(transform_graph, str(path))
        return open_png(path) if path.exists() else None

    return run


def columns(grid):
    """The pairs of a picture, each as bytes."""
    width = len(grid[0]) // SIDE * SIDE
    return [column.tobytes() for column in np.split(grid[:, :width], width // SIDE, axis=1)]


def columns_of_copies(copies):
    """The pairs of samples and training images that equal them, sorted: all are equally near."""
    pairs = np.concatenate([copies, copies])
    return sorted(columns(image_grid(pairs, columns=len(copies)).squeeze()))


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_equals_the_search_through_all_training_images(write, digits, batch_size):
    samples, train = digits[:25], digits[100:900]
    both = np.concatenate([train, train[:, :, ::-1]])
    flat = [images.reshape(len(images), -1).astype(float) for images in (samples, both)]
    distances = np.linalg.norm(flat[0][:, None] - flat[1], axis=-1)
    first = distances.min(axis=1).argsort()[:PAIRS]
    nearest = both[distances[first].argmin(axis=1)]
    expected = image_grid(np.concatenate([samples[first], nearest]), columns=PAIRS).squeeze()
    np.testing.assert_array_equal(write(samples, train, batch_size), expected)


def test_copies_come_first(write, digits):
    samples, train = digits[100:130].copy(), digits[:50]
    samples[[20, 29]] = train[[4, 9]]
    shown = columns(write(samples, train))
    assert len(shown) == PAIRS
    assert sorted(shown[:2]) == columns_of_copies(samples[[20, 29]])


def test_a_copied_training_image_is_its_own_neighbor_and_is_shown_once(write, digits):
    found = columns(write(digits[[40, 7, 40]], digits[:50]))
    assert sorted(found) == columns_of_copies(digits[[40, 7]])


def test_a_training_image_that_was_copied_mirrored_is_shown_mirrored(write, digits):
    copies = np.concatenate([digits[[40]], digits[[7, 12], :, ::-1]])
    assert sorted(columns(write(copies, digits[:50]))) == columns_of_copies(copies)


def test_without_samples_or_training_images_there_is_no_picture(write, digits):
    assert write(digits[:0], digits[:10]) is None
    assert write(digits[:10], digits[:0]) is None
