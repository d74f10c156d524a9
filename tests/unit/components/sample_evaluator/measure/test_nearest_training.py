"""The nearest training image, found batch by batch."""

import math
import pickle

import apache_beam as beam
import numpy as np
import pytest

from components.images.features import ImageFeatures, ReadFeatures, WriteFeatures
from components.sample_evaluator.measure import nearest

ARGS = ["--runner=FnApiRunner"]


def make(vectors, source="candidate"):
    """Images with these vectors, and mirror images far from all."""
    vectors = vectors.astype(np.float32)
    return [
        ImageFeatures(
            source, bytes([i]), "", False, b"", vector, views=np.stack([vector, vector + 99])
        )
        for i, vector in enumerate(vectors)
    ]


def find(folder, training, queries):
    path = folder / "found.pickle"
    with beam.Pipeline(argv=ARGS) as pipeline:
        sources = pipeline | "Queries" >> beam.Create(queries)
        pairs = pipeline | "Training" >> beam.Create(training) | nearest.FindNearest(sources)
        _ = (
            pairs
            | beam.combiners.ToList()
            | beam.Map(lambda found: path.write_bytes(pickle.dumps(found)))
        )
    found = pickle.loads(path.read_bytes())
    return {
        (image.source, image.key): (image.distance, key, *([True] if image.mirrored else []))
        for image, key in found
    }


@pytest.mark.parametrize("batch", [1, 7, 1024])
def test_equals_the_double_loop_whatever_the_batches(monkeypatch, tmp_path, batch):
    monkeypatch.setattr(nearest, "BATCH", batch)
    rng = np.random.default_rng(0)
    train, samples = rng.standard_normal((40, 5)), rng.standard_normal((9, 5))
    train[30] = train[4]  # of equal ones, the first key is named
    queries = make(samples) + make(train[30:31], "real")
    found = find(tmp_path, make(train)[::-1], queries)
    assert len(found) == 10
    for i, sample in enumerate(samples.astype(np.float32)):
        distances = np.linalg.norm(train.astype(np.float32) - sample, axis=1)
        distance, key = found["candidate", bytes([i])]
        assert key == bytes([distances.argmin()])
        assert distance == pytest.approx(distances.min(), rel=1e-5)
    assert found["real", b"\0"] == (0.0, bytes([4]))


@pytest.mark.parametrize("batch", [1, 1024])
def test_the_nearer_view_counts_and_of_equal_ones_the_one_not_mirrored(
    monkeypatch, tmp_path, batch
):
    monkeypatch.setattr(nearest, "BATCH", batch)
    train = np.eye(4)
    far = np.full(4, 9.0)
    queries = [
        one._replace(views=np.array(views, np.float32))
        for one, views in zip(
            make(np.stack([far, far, far])),
            [(far, train[1]), (train[3], far), (train[2], train[0])],
            strict=True,
        )
    ]
    found = find(tmp_path, make(train), queries)
    assert found == {
        ("candidate", bytes([0])): (0.0, bytes([1]), True),
        ("candidate", bytes([1])): (0.0, bytes([3])),
        ("candidate", bytes([2])): (0.0, bytes([2])),
    }


def test_without_training_images_or_samples_nothing_is_found(tmp_path):
    found = find(tmp_path, [], make(np.eye(3)))
    assert len(found) == 3
    assert all(math.isnan(distance) and key is None for distance, key in found.values())
    assert find(tmp_path, make(np.eye(3)), []) == {}


def test_the_memory_between_stages_does_not_grow_with_the_training_images(tmp_path, kept_bytes):
    def search(pattern):
        with beam.Pipeline(argv=ARGS) as pipeline:
            queries = pipeline | beam.Create(make(np.zeros((3, 128))))
            _ = pipeline | ReadFeatures(pattern) | nearest.FindNearest(queries)

    kept = []
    for count in (100, 600):
        vectors = np.zeros((count, 128), np.float32)
        images = [
            ImageFeatures("train", b"%d" % i, "", False, b"", each)
            for i, each in enumerate(vectors)
        ]
        with beam.Pipeline(argv=ARGS) as pipeline:
            _ = pipeline | beam.Create(images) | WriteFeatures(f"{tmp_path}/{count}")
        kept.append(kept_bytes(lambda count=count: search(f"{tmp_path}/{count}-*")))
    few, many = kept
    assert (many - few) / 500 < 2
