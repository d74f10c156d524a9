"""TFMA's results are loadable, equal to the pure functions, and independent of bundling."""

import hashlib
import math

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.images.features import ImageFeatures
from components.metrics import CATALOG
from components.metrics.image_statistics import ImageStatistics
from components.metrics.jackknife import worsening
from components.metrics.kid import kid_over_subsets
from components.sample_evaluator import places, sources
from components.sample_evaluator.measure import analysis
from components.sample_evaluator.measure.eval_config import make_eval_config
from components.sample_evaluator.measure.image_sets import GatherFeatures, ImageSet
from components.sample_evaluator.measure.results import load_results
from components.sample_evaluator.measure.tfma_metrics import FUNCTIONS
from components.sample_evaluator.options import EvaluateOptions, Threshold

ARGS = ["--runner=FnApiRunner"]
ALL = (sources.REAL, sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
DIMENSION = 12
LIMITS = {
    "kid": Threshold(maximum=-10, max_worsening=0),
    "frechet_distance": Threshold(maximum=1000),
    "recall": Threshold(minimum=-1),
    "spectrum_distance": Threshold(max_worsening=100),
}


def make_features(count=100):
    rng = np.random.default_rng(0)
    return {
        source: [
            ImageFeatures(
                source,
                key=bytes([j]),
                label="odd" if j % 2 else "even",
                flat=False,
                digest=hashlib.sha256(vector.tobytes()).digest(),
                vector=vector,
                distance=distance_of(source, j),
                mirrored=j % 3 == 0,
                statistics=ImageStatistics(vector[:7] ** 2, vector[1:3], vector[2:6]),
            )
            for j, vector in enumerate(
                (rng.standard_normal((count, DIMENSION)) + 0.1 * i).astype(np.float32)
            )
        ]
        for i, source in enumerate(ALL)
    }


def distance_of(source, j):
    if source in (sources.TRAIN, sources.NOISE):
        return math.nan
    return 1 + j / 100 if source == sources.REAL else 0.5 + j / 100


def vectors(found, label=None):
    return np.array([one.vector for one in found if label in (None, one.label)])


def compute(name, stock, *others, label=None):
    """A metric of the catalog by its pure function, of the sources real and others."""
    metric = CATALOG[name]
    arrays = [
        np.array(
            [
                one.vector if metric.array == "vector" else getattr(one.statistics, metric.array)
                for one in stock[source]
                if label in (None, one.label)
            ]
        )
        for source in (sources.REAL, *others)
    ]
    return metric.function(*arrays) if len(arrays) == 2 else worsening(metric, *arrays)


def analyze(folder, stock, order=0, by_label=False, **options):
    options = EvaluateOptions(**{"limits": "none", "thresholds": LIMITS, **options})
    images = [image for found in stock.values() for image in found]
    config = make_eval_config(options, baseline=sources.BASELINE in stock, by_label=by_label)
    with beam.Pipeline(argv=ARGS) as pipeline:
        shuffled = [images[i] for i in np.random.default_rng(order).permutation(len(images))]
        _ = pipeline | beam.Create(shuffled) | analysis.Analyze(config, folder)
    return load_results(folder, stock)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("results"))
    return folder, analyze(folder, make_features(), by_label=True)


def test_values_are_those_of_the_pure_functions(results):
    _, found = results
    stock = make_features()
    for source in ALL[1:]:
        for name in CATALOG:
            expected = compute(name, stock, source)
            assert found[source][name].value == pytest.approx(expected, rel=1e-9), name
    assert not found[sources.REAL].metrics


def test_the_candidate_alone_has_a_spread(results):
    _, found = results
    real, candidate = (vectors(make_features()[source]) for source in ALL[:2])
    spread = kid_over_subsets(real, candidate, subset_size=50).stddev
    assert found[sources.CANDIDATE]["kid"].stddev == pytest.approx(spread, rel=1e-9)
    assert all(found[source]["kid"].stddev is None for source in ALL[2:])


def test_the_worsening_is_that_of_the_pure_function(results):
    _, found = results
    candidate = found[sources.CANDIDATE]
    for name in ("kid", "spectrum_distance"):
        expected = compute(name, make_features(), sources.CANDIDATE, sources.BASELINE)
        assert candidate[name].worsening == pytest.approx(expected.proven, rel=1e-9)
        assert candidate[name].margin == pytest.approx(expected.margin, rel=1e-9)
    assert candidate["frechet_distance"].worsening is None


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """What a candidate without a baseline has, of which some images are flat and some equal."""
    stock = make_features()
    del stock[sources.BASELINE]
    found = stock[sources.CANDIDATE]
    found[:3] = [one._replace(flat=True) for one in found[:3]]
    found[5:10] = [one._replace(digest=found[20].digest) for one in found[5:10]]
    held_out = stock[sources.REAL]
    found[30:34] = [one._replace(digest=held_out[7].digest) for one in found[30:34]]
    return analyze(str(tmp_path_factory.mktemp("first")), stock)[sources.CANDIDATE]


def test_a_first_model_has_every_number_but_a_change(first):
    assert first["kid"].stddev is not None
    assert first["memorized_share"].value is not None
    assert first["kid"].worsening is None


def test_memorization_compares_the_distances_to_training_images(results):
    _, found = results
    for source in (sources.CANDIDATE, sources.BASELINE):
        assert found[source]["memorized_share"].value == pytest.approx(51 / 100)
        assert found[source]["distance_ratio"].value == pytest.approx(0.995 / 1.495)
        assert found[source]["mirrored_share"].value == pytest.approx(17 / 51)
    assert "memorized_share" not in found[sources.TRAIN].metrics


def test_whether_a_held_out_image_is_a_training_image_is_decided_where_copies_are_searched():
    rng = np.random.default_rng(0)
    distances = np.array([0.01] * 10 + [1.0] * 90)  # the first ten are training images
    sets = {
        source: ImageSet(
            vectors=rng.standard_normal((100, DIMENSION)),
            searched=1000 * rng.standard_normal((100, 3)),
            distances=found,
            mirrored=np.zeros(100, bool),
            keys=[bytes([i]) for i in range(100)],
            labels=[""] * 100,
            flat=0,
            digests=tuple(bytes([i]) for i in range(100)),
            statistics=ImageStatistics(*(np.zeros((100, 1)) for _ in ImageStatistics._fields)),
        )
        for source, found in {sources.REAL: distances, sources.CANDIDATE: distances / 2}.items()
    }
    assert FUNCTIONS["memorization"](sets, sources.CANDIDATE, "")[0] == 1


def test_each_label_has_values_of_its_own(results):
    by_label = results[1][sources.CANDIDATE].classes
    stock = make_features()
    assert list(by_label) == ["even", "odd"]
    for label, found in by_label.items():
        assert found.images == 50
        for name in ("kid", "frechet_distance", "coverage", "color_distance"):
            expected = compute(name, stock, sources.CANDIDATE, label=label)
            assert found[name].value == pytest.approx(expected, rel=1e-9)


def test_errors_and_places_are_computed_of_all_images_and_not_for_each_label(results):
    candidate = results[1][sources.CANDIDATE]
    judged = [name for name in candidate.metrics if candidate[name].worsening is not None]
    assert judged and candidate["kid"].stddev is not None
    for found in candidate.classes.values():
        for name in candidate.metrics:
            one = found[name]
            assert (one.worsening, one.margin, one.stddev, one.proven_place) == (None,) * 4


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    """The same images in another order, with limits that they keep."""
    folder = str(tmp_path_factory.mktemp("shuffled"))
    limits = {
        "kid": Threshold(maximum=10, max_worsening=10),
        "frechet_distance": Threshold(maximum=1000),
        "recall": Threshold(minimum=-1),
        "spectrum_distance": Threshold(max_worsening=100),
    }
    how = {"by_label": True, "thresholds": limits, "max_memorized": 1.0}
    return folder, analyze(folder, make_features(), order=1, **how)


def test_the_order_changes_nothing(results, shuffled):
    assert shuffled[1] == results[1]


def test_accumulators_may_be_merged_in_any_way():
    rng = np.random.default_rng(0)
    images = [
        ImageFeatures(
            source,
            bytes([i]),
            label="ab"[i % 2],
            flat=i == 3,
            digest=bytes([i % 5]),
            vector=rng.standard_normal(4),
            distance=i / 7,
            views=rng.standard_normal((2, 3)),
            mirrored=i % 3 == 0,
            statistics=ImageStatistics(*(np.array([i]) for _ in range(3))),
        )
        for source in ("real", "candidate")
        for i in range(10)
    ]

    def gather(parts):
        combine = GatherFeatures()
        accumulators = []
        for part in parts:
            accumulator = combine.create_accumulator()
            for i in part:
                accumulator = combine.add_input(accumulator, images[i])
            accumulators.append(accumulator)
        return combine.extract_output(combine.merge_accumulators(accumulators))

    straight = gather([range(20)])
    shuffled = gather([[], [19, 3], [5], [i for i in reversed(range(20)) if i not in (19, 3, 5)]])
    for source in ("real", "candidate"):
        np.testing.assert_array_equal(straight[source].vectors, shuffled[source].vectors)
        views = [image.views[0] for image in images if image.source == source]
        np.testing.assert_array_equal(straight[source].searched, views)
        np.testing.assert_array_equal(shuffled[source].searched, views)
        np.testing.assert_array_equal(straight[source].distances, shuffled[source].distances)
        np.testing.assert_array_equal(straight[source].distances, np.arange(10) / 7)
        np.testing.assert_array_equal(shuffled[source].mirrored, np.arange(10) % 3 == 0)
        for found in (straight[source], shuffled[source]):
            assert found.keys == [bytes([i]) for i in range(10)]
            assert found.labels == list("ababababab")
            assert (found.flat, len(set(found.digests))) == (1, 5)
            np.testing.assert_array_equal(found.statistics.colors, np.arange(10)[:, None])


def test_tfma_itself_reads_the_results(results):
    folder, found = results
    loaded = tfma.load_eval_result(folder, model_name=sources.CANDIDATE)
    metrics = dict(loaded.slicing_metrics)[()]
    assert metrics[""][""]["kid"]["doubleValue"] == found[sources.CANDIDATE]["kid"].value
    assert {spec.name for spec in loaded.config.model_specs} == set(ALL)


def failures(folder):
    validation = tfma.load_validation_result(folder)
    return validation.validation_ok, {
        (failure.metric_key.name, failure.metric_key.model_name)
        for found in validation.metric_validations_per_slice
        if not found.slice_key.single_slice_keys
        for failure in found.failures
    }


def test_thresholds_judge_the_candidate_over_all_its_samples(results):
    folder, _ = results
    expected = {("kid", sources.CANDIDATE), ("memorized_share", sources.CANDIDATE)}
    assert failures(folder) == (False, expected)


def test_limits_that_are_kept_pass(shuffled):
    assert failures(shuffled[0]) == (True, set())


@pytest.mark.slow
def test_worsenings_and_minima_fail(tmp_path):
    limits = {"kid": Threshold(max_worsening=0.0), "precision": Threshold(minimum=1.01)}
    stock = make_features()
    stock[sources.CANDIDATE] = [
        one._replace(source=sources.CANDIDATE, vector=3 * one.vector)
        for one in stock[sources.BASELINE]
    ]
    analyze(str(tmp_path), stock, thresholds=limits, max_memorized=1.0)
    failed = {("kid_worsening", sources.CANDIDATE), ("precision", sources.CANDIDATE)}
    assert failures(str(tmp_path)) == (False, failed)


def test_a_metric_that_cannot_be_computed_leaves_its_reason(tmp_path):
    stock = make_features(count=2 * DIMENSION - 1)
    limits = {"frechet_distance": Threshold(maximum=1e9)}
    found = analyze(str(tmp_path), stock, thresholds=limits, max_memorized=1.0)
    candidate = found[sources.CANDIDATE]
    assert candidate["frechet_distance"].value is None
    assert "23 images are too few" in candidate["frechet_distance"].unavailable
    assert np.isfinite(candidate["kid"].value)
    assert failures(str(tmp_path)) == (False, {("frechet_distance", sources.CANDIDATE)})


def test_flat_and_equal_images_are_counted(first):
    assert first.images == 100
    assert first.flat_images == 3
    assert first.distinct_images == 100 - 5 - 3
    assert first.equal_images == 4


def test_a_notebook_shows_the_results(results):
    folder, found = results
    loaded = tfma.load_eval_result(folder, model_name=sources.CANDIDATE)
    shown = {row["slice"]: row["metrics"] for row in tfma.view.render_slicing_metrics(loaded).data}
    kid = shown["Overall"][""][""]["kid"]["doubleValue"]
    assert kid == pytest.approx(found[sources.CANDIDATE]["kid"].value)


PLACES = {name: Threshold(max_place=0.5) for name in ("kid", "coverage", "spectrum_distance")}


def place_of(metric, stock, count=None):
    """The place and its margin by the pure functions, of the first `count` images of each."""
    compared = CATALOG[metric]
    real, generated, floor, noise = (
        np.array(
            [
                one.vector if compared.array == "vector" else one.statistics.spectrum
                for one in stock[source]
            ]
        )
        for source in (sources.REAL, sources.CANDIDATE, sources.TRAIN, sources.NOISE)
    )
    found = worsening(compared, real, generated[:count], floor[:count])
    ends = (compared.function(real, end[:count]) for end in (noise, floor))
    span = next(ends) - next(ends)
    return found.difference / abs(span), found.margin / abs(span)


@pytest.mark.parametrize("training", [pytest.param(100, marks=pytest.mark.slow), 40])
def test_a_place_is_between_training_images_and_noise_also_if_there_are_few_of_those(
    tmp_path, training
):
    stock = make_features()
    stock[sources.TRAIN] = stock[sources.TRAIN][:training]
    stock[sources.NOISE] = [
        one._replace(
            vector=one.vector + 4, statistics=ImageStatistics(*(3 * a for a in one.statistics))
        )
        for one in stock[sources.NOISE]
    ]
    candidate = analyze(str(tmp_path), stock, thresholds=PLACES)[sources.CANDIDATE]
    for name in PLACES:
        place, margin = place_of(name, stock, training)
        found = candidate[name]
        assert found.place == pytest.approx(place, rel=1e-6)
        assert found.place_margin == pytest.approx(margin, rel=1e-6)
        assert found.proven_place == pytest.approx(place - margin, rel=1e-6)


def test_a_place_on_a_short_way_is_that_on_the_least_one(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "LEAST_SPANS", {"kid": 1e6})
    stock = make_features()
    stock[sources.NOISE] = [one._replace(vector=one.vector + 4) for one in stock[sources.NOISE]]
    candidate = analyze(str(tmp_path), stock, thresholds=PLACES)[sources.CANDIDATE]
    assert 0 < abs(candidate["kid"].place) < 1e-5
    assert candidate["coverage"].place_margin > 1e-3


@pytest.mark.slow
def test_a_candidate_that_is_noise_is_there_and_one_of_training_images_at_the_other_end(tmp_path):
    stock = make_features()
    stock[sources.NOISE] = [one._replace(vector=one.vector + 4) for one in stock[sources.NOISE]]
    for source, place in ((sources.TRAIN, 0), (sources.NOISE, 1)):
        stock[sources.CANDIDATE] = [one._replace(source=sources.CANDIDATE) for one in stock[source]]
        folder = tmp_path / source
        found = analyze(str(folder), stock, thresholds=PLACES, max_memorized=1.0)
        for name in ("kid", "coverage"):
            assert found[sources.CANDIDATE][name].place == pytest.approx(place, abs=1e-6)
        expected = {"kid_proven_place", "coverage_proven_place"} if place else set()
        failed = {name for name, _ in failures(str(folder))[1]}
        assert failed - {"spectrum_distance_proven_place", "memorized_share"} == expected


@pytest.mark.slow
def test_without_a_difference_between_noise_and_data_there_is_no_place(tmp_path):
    """However erratic the candidate is."""
    stock = make_features()
    stock[sources.NOISE] = [
        one._replace(source=sources.NOISE) for one in stock[sources.TRAIN][::-1]
    ]
    stock[sources.CANDIDATE][:3] = [
        one._replace(vector=30 * one.vector) for one in stock[sources.CANDIDATE][:3]
    ]
    found = analyze(str(tmp_path), stock, thresholds=PLACES)[sources.CANDIDATE]
    for name in PLACES:
        assert found[name].place is None
        expected = "noise cannot be told from training images"
        assert found[name].proven_place_unavailable == expected


@pytest.mark.slow
def test_an_erratic_candidate_has_a_place_where_noise_can_be_told_from_data(tmp_path):
    stock = make_features()
    stock[sources.NOISE] = [one._replace(vector=one.vector + 2) for one in stock[sources.NOISE]]
    stock[sources.CANDIDATE][:3] = [
        one._replace(vector=30 * one.vector) for one in stock[sources.CANDIDATE][:3]
    ]
    limits = {"kid": Threshold(max_place=0.5)}
    kid = analyze(str(tmp_path), stock, thresholds=limits)[sources.CANDIDATE]["kid"]
    assert kid.place_margin > 1
    assert np.isfinite(kid.place)


@pytest.mark.slow
def test_noise_that_is_nearer_than_training_images_is_no_end_of_a_way(tmp_path):
    stock = make_features()
    stock[sources.NOISE] = [one._replace(source=sources.NOISE) for one in stock[sources.REAL]]
    stock[sources.TRAIN] = [one._replace(vector=one.vector + 4) for one in stock[sources.TRAIN]]
    limits = {"kid": Threshold(max_place=0.5)}
    found = analyze(str(tmp_path), stock, thresholds=limits)[sources.CANDIDATE]["kid"]
    assert found.place is None


@pytest.mark.slow
def test_too_few_training_images_leave_no_place(tmp_path):
    stock = make_features()
    stock[sources.TRAIN] = stock[sources.TRAIN][:19]
    found = analyze(str(tmp_path), stock, thresholds=PLACES)[sources.CANDIDATE]["kid"]
    assert found.place is None
    assert found.proven_place_unavailable == ("19 samples are too few for a spread: 20 are needed")
    assert found.value is not None
