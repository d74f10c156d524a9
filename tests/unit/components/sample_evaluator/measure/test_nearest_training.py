"""The nearest training image, found a batch at a time."""

import pickle

import apache_beam as beam
import numpy as np
import pytest

from components.images.features import ImageFeatures
from components.sample_evaluator.measure import nearest

ARGS = ["--runner=FnApiRunner"]


def make(vectors, prefix=b""):
    return [
        ImageFeatures(prefix + bytes([i]), "", False, b"", vector.astype(np.float32))
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
            | beam.Map(lambda found: path.write_bytes(pickle.dumps(dict(found))))
        )
    return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("batch", [1, 7, 1024])
def test_equals_the_double_loop_whatever_the_batches(monkeypatch, tmp_path, batch):
    monkeypatch.setattr(nearest, "BATCH", batch)
    rng = np.random.default_rng(0)
    train, samples = rng.standard_normal((40, 5)), rng.standard_normal((9, 5))
    train[30] = train[4]  # of equal ones, the first key is named
    queries = [("candidate", one) for one in make(samples)] + [("real", make(train[30:31])[0])]
    found = find(tmp_path, make(train)[::-1], queries)
    assert len(found) == 10
    for i, sample in enumerate(samples.astype(np.float32)):
        distances = np.linalg.norm(train.astype(np.float32) - sample, axis=1)
        assert found["candidate", bytes([i])].key == bytes([distances.argmin()])
        assert found["candidate", bytes([i])].distance == pytest.approx(distances.min(), rel=1e-5)
    assert found["real", b"\0"] == (0.0, bytes([4]))


def test_without_training_images_or_samples_nothing_is_found(tmp_path):
    vectors = np.eye(3)
    assert find(tmp_path, [], [("candidate", one) for one in make(vectors)]) == {}
    assert find(tmp_path, make(vectors), []) == {}
