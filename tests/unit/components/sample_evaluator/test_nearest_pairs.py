"""The picture of pairs shows, below each sample, the training image nearest to it."""

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, open_png, serialize

from components.sample_evaluator.images import ImageBatch
from components.sample_evaluator.nearest_pairs import PAIRS, FeatureVector, WriteNearestPairs
from components.sample_evaluator.sources import CANDIDATE, REAL, TRAIN
from trainer.grid import image_grid


def features_of(source, images):
    return [FeatureVector(source, i, image.ravel() / 255) for i, image in enumerate(images)]


def cut(items, size):
    return [(start, items[start : start + size]) for start in range(0, len(items), size)]


@pytest.fixture
def write(transform_graph, tmp_path):
    """Writes the picture of these samples and training images; returns it, None without one."""

    def run(samples, train, batch_size=32):
        features = [
            *features_of(TRAIN, train),
            *features_of(CANDIDATE, samples),
            *features_of(REAL, samples),  # to be passed over
        ]
        np.random.default_rng(0).shuffle(features)
        batches = [ImageBatch(CANDIDATE, *batch) for batch in cut(samples, batch_size)]
        records = cut([serialize(image) for image in train], batch_size)
        path = tmp_path / "pairs.png"
        with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
            _ = {
                "features": pipeline | "Features" >> beam.Create(features),
                "samples": pipeline | "Samples" >> beam.Create(batches),
                "records": pipeline | "Records" >> beam.Create(records),
            } | WriteNearestPairs(transform_graph, str(path))
        return open_png(path) if path.exists() else None

    return run


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_equals_the_search_through_all_training_images(write, digits, batch_size):
    samples, train = digits[:25], digits[100:900]
    flat = [images.reshape(len(images), -1).astype(float) for images in (samples[:PAIRS], train)]
    distances = np.linalg.norm(flat[0][:, None] - flat[1], axis=-1)
    nearest = train[distances.argmin(axis=1)]
    expected = image_grid(np.concatenate([samples[:PAIRS], nearest]), columns=PAIRS).squeeze()
    np.testing.assert_array_equal(write(samples, train, batch_size), expected)


def test_a_copied_training_image_is_its_own_neighbor_and_neighbors_may_repeat(write, digits):
    copies = digits[[40, 7, 40]]
    expected = image_grid(np.concatenate([copies, copies]), columns=3).squeeze()
    np.testing.assert_array_equal(write(copies, digits[:50]), expected)


def test_without_samples_or_training_images_there_is_no_picture(write, digits):
    assert write(digits[:0], digits[:10]) is None
    assert write(digits[:10], digits[:0]) is None
