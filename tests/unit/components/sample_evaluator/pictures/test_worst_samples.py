"""The picture of the worst samples shows those that are farthest from real images."""

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, open_png

from components.images.batches import ImageBatch
from components.images.features import ImageFeatures
from components.sample_evaluator.pictures.worst_samples import COLUMNS, WORST, WriteWorstSamples
from components.sample_evaluator.samples.draw import seed_key
from components.sample_evaluator.sources import CANDIDATE, REAL
from trainer.common.image_grid import image_grid


def write(folder, images, distances, batch_size=32, nearest=b"training"):
    """Writes the picture of samples with these distances; returns it, None without one."""
    keys = [seed_key(i) for i in range(len(images))]
    found = [
        (
            ImageFeatures(source, key, "", False, image.tobytes(), np.zeros(1), distance),
            nearest,
        )
        for source, factor in ((CANDIDATE, 1), (REAL, 100))
        for key, image, distance in zip(keys, images, factor * np.array(distances), strict=True)
    ]
    batches = [
        ImageBatch(CANDIDATE, keys[i : i + batch_size], [], images[i : i + batch_size])
        for i in range(0, len(images), batch_size)
    ]
    path = folder / "worst.png"
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        samples = pipeline | "Samples" >> beam.Create(batches)
        _ = (samples, pipeline | "Found" >> beam.Create(found)) | WriteWorstSamples(str(path))
    return open_png(path) if path.exists() else None


@pytest.mark.parametrize(("count", "batch_size"), [(50, 7), (50, 100), (5, 3)])
def test_the_farthest_samples_are_shown_the_farthest_first(digits, tmp_path, count, batch_size):
    distances = np.random.default_rng(0).random(count)
    farthest = digits[:count][distances.argsort()[::-1][:WORST]]
    found = write(tmp_path, digits[:count], distances, batch_size)
    np.testing.assert_array_equal(found, image_grid(farthest, COLUMNS).squeeze())


def test_a_sample_that_repeats_is_shown_once(digits, tmp_path):
    found = write(tmp_path, digits[[3, 5, 3, 3]], [2.0, 1.0, 2.0, 2.0])
    np.testing.assert_array_equal(found, image_grid(digits[[3, 5]], COLUMNS).squeeze())


def test_without_samples_or_training_images_there_is_no_picture(digits, tmp_path):
    assert write(tmp_path, digits[:0], []) is None
    assert write(tmp_path, digits[:3], [np.nan] * 3, nearest=None) is None
