"""What is measured equals the pure functions, and TFMA reads it and agrees with the gate."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from image_sets import image_set

from components.metrics import CATALOG, METRICS
from components.metrics.image_statistics import ImageStatistics
from components.metrics.jackknife import worsening
from components.metrics.kid import kid_over_subsets
from components.sample_evaluator import sources
from components.sample_evaluator.measure.metrics import measure, plan
from components.sample_evaluator.measure.tfma_results import write_tfma_results
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import missed
from components.sample_evaluator.verdict.gate import Measured, judge

ALL = (sources.REAL, sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
DIMENSION = 12
LIMITS = {
    "kid": Threshold(maximum=-10, max_worsening=0),
    "frechet_distance": Threshold(maximum=1000),
    "recall": Threshold(minimum=-1),
    "spectrum_distance": Threshold(max_worsening=100),
}


def make_stock(count=100):
    rng = np.random.default_rng(0)
    stock = {}
    for i, source in enumerate(ALL):
        vectors = (rng.standard_normal((count, DIMENSION)) + 0.1 * i).astype(np.float32)
        stock[source] = image_set(
            vectors,
            labels=["odd" if j % 2 else "even" for j in range(count)],
            digests=np.array([f"{source} {j}".encode() for j in range(count)], "S32"),
            distances=distances_of(source, count),
            mirrored=np.arange(count) % 3 == 0,
            views=vectors[:, None],
            statistics=ImageStatistics(vectors[:, :7] ** 2, vectors[:, 1:3], vectors[:, 2:6]),
        )
    return stock


def distances_of(source, count):
    if source in (sources.TRAIN, sources.NOISE):
        return np.full(count, math.nan)
    return (1 if source == sources.REAL else 0.5) + np.arange(count) / 100


def compute(name, stock, *others):
    """A metric of the catalog by its pure function, of the sources real and others."""
    metric = CATALOG[name]
    arrays = [stock[source].array(metric.array) for source in (sources.REAL, *others)]
    return metric.function(*arrays) if len(arrays) == 2 else worsening(metric, *arrays)


def analyze(stock, by_label=False, folder=None, **options):
    options = EvaluateOptions(**{"limits": "none", "thresholds": LIMITS, **options})
    found = measure(stock, plan(options, stock), by_label=by_label)
    if folder:
        write_tfma_results(found, options, str(folder))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def results(folder):
    return analyze(make_stock(), by_label=True, folder=folder)


def test_values_are_those_of_the_pure_functions(results):
    stock = make_stock()
    for source in ALL[1:]:
        for name in CATALOG:
            expected = compute(name, stock, source)
            assert results[source][name].value == pytest.approx(expected, rel=1e-9), name
    assert not results[sources.REAL].metrics


def test_the_candidate_alone_has_a_spread(results):
    real, candidate = (make_stock()[source].vectors for source in ALL[:2])
    spread = kid_over_subsets(real, candidate, subset_size=50).stddev
    assert results[sources.CANDIDATE]["kid"].stddev == pytest.approx(spread, rel=1e-9)
    assert all(results[source]["kid"].stddev is None for source in ALL[2:])


def test_the_worsening_is_that_of_the_pure_function(results):
    candidate = results[sources.CANDIDATE]
    for name in ("kid", "spectrum_distance"):
        expected = compute(name, make_stock(), sources.CANDIDATE, sources.BASELINE)
        assert candidate[name].worsening == pytest.approx(expected.proven, rel=1e-9)
        assert candidate[name].margin == pytest.approx(expected.margin, rel=1e-9)
    assert candidate["frechet_distance"].worsening is None


@pytest.fixture(scope="module")
def first():
    """What a candidate without a baseline has, of which some images are flat and some equal."""
    stock = make_stock()
    del stock[sources.BASELINE]
    flat, digests = np.arange(100) < 3, stock[sources.CANDIDATE].digests
    digests[5:10], digests[30:34] = digests[20], stock[sources.REAL].digests[7]
    stock[sources.CANDIDATE] = dataclasses.replace(stock[sources.CANDIDATE], flat=flat)
    return analyze(stock)[sources.CANDIDATE]


def test_a_first_model_has_every_number_but_a_change(first):
    assert first["kid"].stddev is not None
    assert first["memorized_share"].value is not None
    assert first["kid"].worsening is None


def test_flat_and_equal_images_are_counted(first):
    assert first.images == 100
    assert first.flat_images == 3
    assert first.distinct_images == 100 - 5 - 3
    assert first.equal_images == 4


def test_memorization_compares_the_distances_to_training_images(results):
    for source in (sources.CANDIDATE, sources.BASELINE):
        assert results[source]["memorized_share"].value == pytest.approx(51 / 100)
        assert results[source]["distance_ratio"].value == pytest.approx(0.995 / 1.495)
        assert results[source]["mirrored_share"].value == pytest.approx(17 / 51)
    assert "memorized_share" not in results[sources.TRAIN].metrics


def test_whether_a_held_out_image_is_a_training_image_is_decided_where_copies_are_searched():
    stock = make_stock()
    distances = np.array([0.01] * 10 + [1.0] * 90)  # the first ten are training images
    for source, factor in ((sources.REAL, 1), (sources.CANDIDATE, 0.5)):
        views = 1000 * stock[source].views
        stock[source] = dataclasses.replace(
            stock[source], views=views, distances=factor * distances
        )
    assert analyze(stock)[sources.CANDIDATE]["memorized_share"].value == 1


def test_each_label_has_values_of_its_own(results):
    by_label = results[sources.CANDIDATE].classes
    assert list(by_label) == ["even", "odd"]
    for first_row, found in enumerate(by_label.values()):
        rows = slice(first_row, None, 2)
        stock = {source: images.take(rows) for source, images in make_stock().items()}
        assert found.images == 50
        for name in ("kid", "frechet_distance", "coverage", "color_distance"):
            expected = compute(name, stock, sources.CANDIDATE)
            assert found[name].value == pytest.approx(expected, rel=1e-9)


def test_errors_and_places_are_computed_of_all_images_and_not_for_each_label(results):
    candidate = results[sources.CANDIDATE]
    judged = [name for name in candidate.metrics if candidate[name].worsening is not None]
    assert judged and candidate["kid"].stddev is not None
    for found in candidate.classes.values():
        for name in candidate.metrics:
            one = found[name]
            assert (one.worsening, one.margin, one.stddev, one.proven_place) == (None,) * 4


def test_tfma_itself_reads_the_results(results, folder):
    loaded = tfma.load_eval_result(folder, model_name=sources.CANDIDATE)
    metrics = dict(loaded.slicing_metrics)
    assert {spec.name for spec in loaded.config.model_specs} == set(ALL)
    candidate = results[sources.CANDIDATE]
    classes = {(("label", label),): found for label, found in candidate.classes.items()}
    for key, found in {(): candidate, **classes}.items():
        assert metrics[key][""][""]["kid"]["doubleValue"] == found["kid"].value
    stddev = metrics[()][""][""]["kid_stddev"]["doubleValue"]
    assert stddev == candidate["kid"].stddev


def test_a_notebook_shows_the_results(results, folder):
    loaded = tfma.load_eval_result(folder, model_name=sources.CANDIDATE)
    shown = {row["slice"]: row["metrics"] for row in tfma.view.render_slicing_metrics(loaded).data}
    kid = shown["Overall"][""][""]["kid"]["doubleValue"]
    assert kid == pytest.approx(results[sources.CANDIDATE]["kid"].value)


def failures(folder):
    validation = tfma.load_validation_result(str(folder))
    return {
        (failure.metric_key.name, failure.metric_key.model_name)
        for found in validation.metric_validations_per_slice
        if not found.slice_key.single_slice_keys
        for failure in found.failures
    }, validation.validation_ok


def moved(images, **arrays):
    return dataclasses.replace(images, **arrays)


@pytest.mark.parametrize(
    ("limits", "memorized", "change", "failed"),
    [
        (LIMITS, 0.4, 1, {"kid", "memorized_share"}),
        (LIMITS | {"kid": Threshold(maximum=10, max_worsening=10)}, 1.0, 1, set()),
        ({"kid": Threshold(max_worsening=0.0)}, 1.0, 3, {"kid_worsening"}),
        ({"coverage": Threshold(max_place=0.1)}, 1.0, 9, {"coverage_proven_place"}),
        ({"precision": Threshold(minimum=1.01)}, 1.0, 3, {"precision"}),
    ],
)
def test_the_gate_and_tfma_judge_alike(tmp_path, limits, memorized, change, failed):
    stock = make_stock()
    noise, baseline = stock[sources.NOISE], stock[sources.BASELINE]
    stock[sources.NOISE] = moved(noise, vectors=noise.vectors + 4)
    stock[sources.CANDIDATE] = moved(baseline, vectors=change * baseline.vectors)
    options = {"limits": "none", "thresholds": limits, "max_memorized": memorized}
    found = analyze(stock, folder=tmp_path, **options)
    found_by_tfma, passed = failures(tmp_path)
    assert found_by_tfma == {(name, sources.CANDIDATE) for name in failed}
    verdict = judge(Measured(found, EvaluateOptions(**options)))
    assert verdict.blessed == passed
    assert len(missed(verdict.checks)) == len(failed)


def test_a_metric_that_cannot_be_computed_leaves_its_reason(tmp_path):
    stock = make_stock(count=2 * DIMENSION - 1)
    limits = {"frechet_distance": Threshold(maximum=1e9)}
    found = analyze(stock, folder=tmp_path, thresholds=limits, max_memorized=1.0)
    candidate = found[sources.CANDIDATE]
    assert candidate["frechet_distance"].value is None
    assert "23 images are too few" in candidate["frechet_distance"].unavailable
    assert np.isfinite(candidate["kid"].value)
    assert failures(tmp_path) == ({("frechet_distance", sources.CANDIDATE)}, False)


PLACES = {name: Threshold(max_place=0.5) for name in ("kid", "coverage", "spectrum_distance")}


def place_of(metric, stock, count):
    """The place and its margin by the pure functions, of the first `count` images of each."""
    compared = CATALOG[metric]
    real, generated, floor, noise = (
        stock[source].array(compared.array)
        for source in (sources.REAL, sources.CANDIDATE, sources.TRAIN, sources.NOISE)
    )
    found = worsening(compared, real, generated[:count], floor[:count])
    ends = (compared.function(real, end[:count]) for end in (noise, floor))
    span = next(ends) - next(ends)
    return found.difference / abs(span), found.margin / abs(span)


def far_noise(stock, by=4):
    """The stock with noise that is far from all images."""
    noise = stock[sources.NOISE]
    statistics = ImageStatistics(*(3 * each for each in noise.statistics))
    vectors = noise.vectors + by
    return stock | {sources.NOISE: moved(noise, vectors=vectors, statistics=statistics)}


@pytest.mark.parametrize("training", [100, 40])
def test_a_place_is_between_training_images_and_noise_also_if_there_are_few_of_those(training):
    stock = far_noise(make_stock())
    stock[sources.TRAIN] = stock[sources.TRAIN].take(slice(training))
    candidate = analyze(stock, thresholds=PLACES)[sources.CANDIDATE]
    for name in PLACES:
        place, margin = place_of(name, stock, training)
        found = candidate[name]
        assert found.place == pytest.approx(place, rel=1e-6)
        assert found.place_margin == pytest.approx(margin, rel=1e-6)
        assert found.proven_place == pytest.approx(place - margin, rel=1e-6)


def test_a_place_on_a_short_way_is_that_on_the_least_one(monkeypatch):
    wide = dataclasses.replace(METRICS["kid"], least_span=1e6)
    monkeypatch.setitem(METRICS, "kid", wide)
    candidate = analyze(far_noise(make_stock()), thresholds=PLACES)[sources.CANDIDATE]
    assert 0 < abs(candidate["kid"].place) < 1e-5
    assert candidate["coverage"].place_margin > 1e-3


@pytest.mark.parametrize(("end", "place"), [(sources.TRAIN, 0), (sources.NOISE, 1)])
def test_training_images_and_noise_are_the_ends_of_the_way(end, place):
    stock = far_noise(make_stock())
    stock[sources.CANDIDATE] = stock[end]
    found = analyze(stock, thresholds=PLACES)[sources.CANDIDATE]
    for name in ("kid", "coverage"):
        assert found[name].place == pytest.approx(place, abs=1e-6)


def erratic(images):
    """The first images are far from all others."""
    vectors = images.vectors.copy()
    vectors[:3] *= 30
    return moved(images, vectors=vectors)


def test_without_a_difference_between_noise_and_data_there_is_no_place():
    """However erratic the candidate is."""
    stock = make_stock()
    stock[sources.NOISE] = stock[sources.TRAIN].take(slice(None, None, -1))
    stock[sources.CANDIDATE] = erratic(stock[sources.CANDIDATE])
    found = analyze(stock, thresholds=PLACES)[sources.CANDIDATE]
    for name in PLACES:
        assert found[name].place is None
        expected = "noise cannot be told from training images"
        assert found[name].proven_place_unavailable == expected


def test_an_erratic_candidate_has_a_place_where_noise_can_be_told_from_data():
    stock = far_noise(make_stock(), by=2)
    stock[sources.CANDIDATE] = erratic(stock[sources.CANDIDATE])
    limits = {"kid": Threshold(max_place=0.5)}
    kid = analyze(stock, thresholds=limits)[sources.CANDIDATE]["kid"]
    assert kid.place_margin > 1
    assert np.isfinite(kid.place)


def test_noise_that_is_nearer_than_training_images_is_no_end_of_a_way():
    stock = make_stock()
    train = stock[sources.TRAIN]
    stock |= {sources.NOISE: stock[sources.REAL]}
    stock |= {sources.TRAIN: moved(train, vectors=train.vectors + 4)}
    limits = {"kid": Threshold(max_place=0.5)}
    assert analyze(stock, thresholds=limits)[sources.CANDIDATE]["kid"].place is None


def test_too_few_training_images_leave_no_place():
    stock = make_stock()
    stock[sources.TRAIN] = stock[sources.TRAIN].take(slice(19))
    found = analyze(stock, thresholds=PLACES)[sources.CANDIDATE]["kid"]
    assert found.place is None
    assert found.proven_place_unavailable == ("19 samples are too few for a spread: 20 are needed")
    assert found.value is not None
