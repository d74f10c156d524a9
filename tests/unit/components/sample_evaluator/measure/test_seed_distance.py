import apache_beam as beam
import numpy as np
import pytest

from components.images.batches import ImageBatch
from components.sample_evaluator import names, sources
from components.sample_evaluator.files import read_json_if_there
from components.sample_evaluator.measure.seed_distance import (
    WriteSeedDistances,
)


def batch(source, first, levels):
    images = np.stack([np.full([2, 2, 1], level, np.uint8) for level in levels])
    keys = [(first + i).to_bytes(8, "big") for i in range(len(levels))]
    return ImageBatch(source, keys, [""] * len(levels), images)


def measure(folder, candidate, baseline):
    with beam.Pipeline() as pipeline:
        batches = {
            name: pipeline | name >> beam.Create(found)
            for name, found in ((sources.CANDIDATE, candidate), (sources.BASELINE, baseline))
        }
        _ = batches | WriteSeedDistances(str(folder))
    return read_json_if_there(f"{folder}/{names.SEED_DISTANCE_JSON}")


def test_images_are_compared_with_those_of_the_same_seed_whatever_the_order(tmp_path):
    candidate = [batch(sources.CANDIDATE, 0, [10, 20]), batch(sources.CANDIDATE, 2, [30, 250])]
    baseline = [batch(sources.BASELINE, 2, [30, 255]), batch(sources.BASELINE, 0, [10, 23])]
    found = measure(tmp_path, candidate, baseline)
    assert found["by_seed"] == [0, 3, 0, 5]
    assert (found["mean"], found["largest"]) == (2, 5)
    assert found["other_seeds"] == pytest.approx((13 + 10 + 225 + 220) / 4)
    assert "2 gray levels" in found["sentence"]
    assert "the one that the baseline draws from the same seed" in found["sentence"]
    assert "at most 5" in found["sentence"]


def test_an_image_alone_in_its_batch_is_not_compared_with_its_own_seed_as_another(tmp_path):
    candidate, baseline = (
        [batch(source, i, [level]) for i, level in enumerate(levels)]
        for source, levels in ((sources.CANDIDATE, [10, 20]), (sources.BASELINE, [10, 26]))
    )
    found = measure(tmp_path / "alone", candidate, baseline)
    assert (found["mean"], found["other_seeds"]) == (3, None)
    assert found["sentence"].endswith("from the same seed, at most 6")
    beside = [batch(source, 2, [30, 60]) for source in (sources.CANDIDATE, sources.BASELINE)]
    found = measure(tmp_path / "beside", [*candidate, beside[0]], [*baseline, beside[1]])
    assert found["other_seeds"] == 30


def test_nothing_is_read_where_nothing_was_compared(tmp_path):
    assert read_json_if_there(f"{tmp_path}/{names.SEED_DISTANCE_JSON}") is None
