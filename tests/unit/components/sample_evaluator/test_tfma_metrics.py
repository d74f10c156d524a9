"""TFMA's results: loadable, equal to the pure functions, and the same for every bundling."""

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.sample_evaluator import analysis, images, sources
from components.sample_evaluator.features.pixels import pixels
from components.sample_evaluator.metrics import CATALOG
from components.sample_evaluator.options import Threshold
from components.sample_evaluator.tfma_metrics import GatherFeatures, ImageRecord, unavailable_name

ARGS = ["--runner=FnApiRunner"]
ALL = (sources.REAL, sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
DIMENSION = 2 * 2 * 3
COUNT = 4 * DIMENSION  # what frechet_distance_inf needs


def make_images(count=COUNT):
    rng = np.random.default_rng(0)
    return {
        source: rng.integers(10 * i, 200 + 10 * i, (count, 2, 2, 3)).astype(np.uint8)
        for i, source in enumerate(ALL)
    }


def analyze(folder, stock, thresholds, batch_size):
    batches = [
        images.ImageBatch(source, start, np.stack(part))
        for source, found in stock.items()
        for start, part in images.batches(list(found), batch_size)
    ]
    np.random.default_rng(batch_size).shuffle(batches)
    with beam.Pipeline(argv=ARGS) as pipeline:
        _ = (
            pipeline
            | beam.Create(batches)
            | beam.ParDo(images.ExtractFeatures("pixels"))
            | analysis.Analyze(
                analysis.make_eval_config(thresholds, sources.BASELINE in stock), folder
            )
        )
    return analysis.load_values(folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("results"))
    thresholds = {
        "kid": Threshold(maximum=-10, max_increase=0),
        "frechet_distance": Threshold(maximum=1000),
    }
    return folder, analyze(folder, make_images(), thresholds, batch_size=16)


def test_values_are_those_of_the_pure_functions(results):
    _, values = results
    features = {source: pixels(found) for source, found in make_images().items()}
    for name, metric in CATALOG.items():
        for source in ALL[1:]:
            expected = metric.function(features[sources.REAL], features[source])
            assert values[source][name] == pytest.approx(expected, rel=1e-9)
        assert name not in values[sources.REAL]


@pytest.mark.parametrize("batch_size", [1, 7, COUNT])
def test_bundling_and_order_change_nothing(results, tmp_path, batch_size):
    _, values = results
    assert analyze(str(tmp_path), make_images(), {}, batch_size) == values


def test_accumulators_may_be_merged_in_any_way():
    rng = np.random.default_rng(0)
    records = [
        (source, ImageRecord(i, i == 3, bytes([i % 5]), rng.standard_normal(4)))
        for source in ("real", "candidate")
        for i in range(10)
    ]

    def gather(parts):
        combine = GatherFeatures()
        accumulators = []
        for part in parts:
            accumulator = combine.create_accumulator()
            for i in part:
                accumulator = combine.add_input(accumulator, records[i])
            accumulators.append(accumulator)
        [sets] = combine.extract_output(combine.merge_accumulators(accumulators)).values()
        return sets

    straight = gather([range(20)])
    shuffled = gather([[], [19, 3], [5], [i for i in reversed(range(20)) if i not in (19, 3, 5)]])
    for source in ("real", "candidate"):
        np.testing.assert_array_equal(straight[source].vectors, shuffled[source].vectors)
        assert straight[source][1:] == shuffled[source][1:] == (1, 5)


def test_tfma_itself_reads_the_results(results):
    folder, values = results
    loaded = tfma.load_eval_result(folder, model_name=sources.CANDIDATE)
    [(slice_key, metrics)] = loaded.slicing_metrics
    assert slice_key == ()
    assert metrics[""][""]["kid"]["doubleValue"] == values[sources.CANDIDATE]["kid"]
    assert {spec.name for spec in loaded.config.model_specs} == set(ALL)


def test_thresholds_judge_the_candidate_alone(results):
    folder, _ = results
    validation = tfma.load_validation_result(folder)
    assert not validation.validation_ok
    failures = [
        (failure.metric_key.name, failure.metric_key.model_name, failure.metric_key.is_diff)
        for found in validation.metric_validations_per_slice
        for failure in found.failures
    ]
    assert ("kid", sources.CANDIDATE, False) in failures
    assert {model for _, model, _ in failures} == {sources.CANDIDATE}
    assert "frechet_distance" not in {name for name, _, _ in failures}


def test_a_metric_that_cannot_be_computed_leaves_its_reason(tmp_path):
    stock = make_images(count=2 * DIMENSION - 1)
    values = analyze(str(tmp_path), stock, {"frechet_distance": Threshold(maximum=1e9)}, 16)
    candidate = values[sources.CANDIDATE]
    assert "frechet_distance" not in candidate
    assert "23 images are too few" in candidate[unavailable_name("frechet_distance")]
    assert np.isfinite(candidate["kid"])
    assert not tfma.load_validation_result(str(tmp_path)).validation_ok


def test_flat_and_equal_images_are_counted(tmp_path):
    stock = make_images()
    stock[sources.CANDIDATE][:3] = 0
    stock[sources.CANDIDATE][5:10] = stock[sources.CANDIDATE][20]
    candidate = analyze(str(tmp_path), stock, {}, 16)[sources.CANDIDATE]
    assert candidate["images"] == COUNT
    assert candidate["flat_images"] == 3
    assert candidate["distinct_images"] == COUNT - 2 - 5
