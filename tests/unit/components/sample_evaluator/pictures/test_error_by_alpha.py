"""The denoising error by alpha follows its definition for any split of the work."""

import json

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, SHAPE, serialize, write_model, write_network_model

from components.images.records import example_key
from components.sample_evaluator.pictures import error_by_alpha
from components.sample_evaluator.pictures.error_by_alpha import (
    EDGES,
    WriteErrorByAlpha,
    ceiling,
)
from components.sample_evaluator.sources import BASELINE, CANDIDATE
from tests.exported_models import write_sampler

KNOWN = ["cat", "dog"]
SEED = 3


@pytest.fixture(scope="module")
def candidate(tmp_path_factory):
    return write_network_model(tmp_path_factory.mktemp("candidate"), KNOWN)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return write_network_model(tmp_path_factory.mktemp("baseline"))


@pytest.fixture(scope="module")
def only_draws(tmp_path_factory, digits):
    return write_model(tmp_path_factory.mktemp("model"), digits[:2])


@pytest.fixture
def measure(transform_graph, monkeypatch):
    """What WriteErrorByAlpha writes, None where it writes nothing."""

    def run(folders, images, path, batch_size=64, order=1):
        monkeypatch.setattr(error_by_alpha, "BATCH", batch_size)
        records = [serialize(image, ("dog", "cat", "cow")[i % 3]) for i, image in enumerate(images)]
        models = {source: f"{folder}/Format-Serving" for source, folder in folders.items()}
        with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
            held_out = pipeline | beam.Create(records[::order])
            written = WriteErrorByAlpha(models, transform_graph, SEED, str(path))
            _ = (held_out, held_out) | written
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    return run


def test_equals_the_loop_of_its_definition(measure, candidate, baseline, digits, tmp_path):
    images = digits[:20]
    found = measure({CANDIDATE: candidate, BASELINE: baseline}, images, tmp_path / "e.json", 7)
    with_label, without = np.zeros(10), np.zeros(10)
    for index, image in enumerate(images):
        rng = np.random.default_rng([SEED, *example_key(serialize(image))])
        x1 = image / 127.5 - 1
        label = (1, 0, 2)[index % 3]  # dog, cat, and one that the model does not know
        for part in range(10):
            alpha = rng.uniform(part / 10, (part + 1) / 10)
            x0 = rng.standard_normal(SHAPE, np.float32)
            deblended = ((1 - alpha) * x0 + alpha * x1) * alpha - 0.5
            with_label[part] += np.mean((deblended + label - (x1 - x0)) ** 2) / len(images)
            without[part] += np.mean((deblended - (x1 - x0)) ** 2) / len(images)
    assert found["edges"] == pytest.approx([i / 10 for i in range(11)])
    assert found["images"] == 20
    np.testing.assert_allclose(found["candidate"], with_label, rtol=1e-5)
    np.testing.assert_allclose(found["baseline"], without, rtol=1e-5)


def test_batches_and_their_order_change_nothing_and_the_first_images_suffice(
    measure, baseline, digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(error_by_alpha, "IMAGES", 60)
    images = sorted(digits[:80], key=lambda image: example_key(serialize(image)))
    found = measure({CANDIDATE: baseline}, images, tmp_path / "all.json", 25, order=-1)
    other = measure({CANDIDATE: baseline}, images[:60], tmp_path / "e.json", 7)
    assert found["images"] == 60
    for name in ("candidate", "ceiling"):
        np.testing.assert_allclose(found[name], other[name], rtol=1e-6)


def test_a_baseline_that_does_not_deblend_is_left_out(
    measure, baseline, only_draws, digits, tmp_path
):
    found = measure({CANDIDATE: baseline, BASELINE: only_draws}, digits[:5], tmp_path / "e.json")
    assert found["baseline"] is None
    assert len(found["candidate"]) == len(EDGES) - 1


@pytest.mark.slow
def test_a_student_of_few_alphas_has_no_errors_by_alpha(measure, baseline, digits, tmp_path):
    student = tmp_path / "student" / "Format-Serving"
    write_sampler(student, shape=SHAPE, fixed_steps=True)
    path = tmp_path / "e.json"
    found = {CANDIDATE: str(student.parent), BASELINE: baseline}
    assert measure(found, digits[:5], path) is None


def test_without_errors_of_the_candidate_nothing_is_written(
    measure, baseline, only_draws, digits, tmp_path
):
    path = tmp_path / "e.json"
    assert measure({CANDIDATE: only_draws, BASELINE: baseline}, digits[:5], path) is None
    assert measure({CANDIDATE: baseline}, digits[:0], path) is None


def test_what_is_not_finite_is_no_error(tmp_path):
    images = (2, np.zeros([2, 8, 8, 1]))
    good, bad = (2, np.ones(10)), (2, np.full(10, np.nan))
    sums = {CANDIDATE: bad, BASELINE: good, error_by_alpha._PIXELS: images}
    error_by_alpha._write(sums, str(tmp_path / "e.json"))
    assert not (tmp_path / "e.json").exists()  # the gate says what such a model draws
    error_by_alpha._write(sums | {CANDIDATE: good, BASELINE: bad}, str(tmp_path / "e.json"))
    found = json.loads((tmp_path / "e.json").read_text())
    assert (found["candidate"], found["baseline"]) == ([0.5] * 10, None)


def test_the_ceiling_is_the_least_error_of_a_linear_guess(monkeypatch):
    monkeypatch.setattr(error_by_alpha, "CEILING_POINTS", 1)  # the middle of each part
    rng = np.random.default_rng(0)
    deviations, count = np.array([0.2, 0.9]), 100_000
    least = []
    for alpha in np.arange(0.05, 1, 0.1):
        errors = []
        for deviation in deviations:
            x0, x1 = rng.normal(size=count), rng.normal(0.4, deviation, count)
            known = np.stack([np.ones(count), (1 - alpha) * x0 + alpha * x1], axis=1)
            errors.append(np.linalg.lstsq(known, x1 - x0, rcond=None)[1][0] / count)
        least.append(np.mean(errors))
    np.testing.assert_allclose(ceiling(deviations**2), least, rtol=0.01)


def test_the_ceiling_leads_from_the_variance_of_the_images_to_that_of_the_noise(monkeypatch):
    monkeypatch.setattr(error_by_alpha, "EDGES", np.linspace(0, 1, 1001))
    found = ceiling(np.array([[0.1, 0.5]]))
    assert found[0] == pytest.approx(0.3, abs=0.01)
    assert found[-1] == pytest.approx(1, abs=0.01)
    assert found[499] == pytest.approx(np.mean([0.1 / 0.275, 0.5 / 0.375]), rel=0.01)
