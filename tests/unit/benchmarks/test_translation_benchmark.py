"""The comparison of translations: what counts as ahead, and that all of them train and run."""

import numpy as np
import pytest

from benchmarks import translation, translators
from benchmarks.datasets import Pairs
from benchmarks.translation import Task, reduce
from benchmarks.translators import FEW, MANY, train
from data.errors import DataError
from tests.small_network import build_unet

NETWORK = {"channels": (8,), "blocks": 1, "attention": (False,), "norm_groups": 4}


def measured(psnr, ssim, kid):
    return {"psnr": psnr, "ssim": ssim, "kid": kid, "frechet_distance": 10 * kid}


@pytest.mark.parametrize(
    ("ours", "reached"),
    [
        (measured(21.6, 0.8, 0.1), [True] * 4),
        (measured(21.4, 0.8, 0.1), [False, True, True, True]),  # 1.6 dB behind the regression
        (measured(21.6, 0.6, 0.3), [True, False, False, False]),
    ],
)
def test_ours_has_to_be_ahead_of_both_but_for_some_psnr(ours, reached):
    found = {
        "source": [measured(20, 0.7, 0.5)],
        "condition": [measured(0, 0, 9)] * 2,
        "condition, 4 evaluations": [ours, ours],
        "map": [measured(0, 0, 9)] * 2,
        "regression": [measured(23, 0.9, 0.2)] * 2,
    }
    figures = list(translation._figures("clothes", found, whole=True))
    few = [f.reached for f in figures if ", condition, 4 evaluations" in f.name]
    assert few == reached
    for far in ("condition", "map"):
        assert [f.reached for f in figures if f", {far} ±" in f.name] == [False] * 4
    beside = [f for f in figures if f.name.endswith(", source") or ", regression" in f.name]
    assert [f.reached for f in beside] == [None] * 8
    shortened = translation._figures("clothes", found, whole=False)
    assert all(figure.reached is None for figure in shortened)


@pytest.fixture
def pairs():
    images = np.random.default_rng(0).integers(0, 256, (256, 8, 8, 1)).astype(np.uint8)
    return Pairs(reduce(images), images)


def test_many_images_are_reduced_as_few_are(pairs, monkeypatch):
    monkeypatch.setattr(translation, "CHUNK", 30)
    np.testing.assert_array_equal(reduce(pairs.images), pairs.sources)


@pytest.mark.parametrize("degrade", [reduce, None])
def test_only_answers_to_derived_sources_can_be_degraded_again(pairs, degrade):
    task = Task(lambda: (pairs, pairs), NETWORK, degrade)
    row = translation._several(lambda sources, *_: sources, pairs.images, pairs.sources, task)
    assert ("consistency" in row) == (degrade is not None)
    assert row["psnr of single answers"] == row["psnr of mean answers"] < 58


def test_a_task_without_its_files_is_skipped(monkeypatch, capsys):
    def load():
        raise DataError("no file flat.tgz")

    monkeypatch.setattr(translation, "TASKS", {"flat_to_3d": Task(load, NETWORK, None)})
    assert list(translation.figures()) == []
    assert "flat_to_3d skipped: no file flat.tgz" in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_measured_is_not_measured_again(pairs, monkeypatch, tmp_path, capsys):
    trained = []

    def train(name, network, pairs, seconds, seed):
        trained.append((name, seed))
        return lambda sources, *_: sources, 5

    monkeypatch.setattr(translation, "RESULTS", tmp_path)
    monkeypatch.setattr(translation.translators, "train", train)
    monkeypatch.setattr(translation, "ANSWERED", 10)
    task = Task(lambda: (pairs, pairs), NETWORK, None)
    first = translation._compare("clothes", task, 1, 1)
    assert trained == [("condition", 0), ("map", 0), ("regression", 0)]
    second = translation._compare("clothes", task, 1, 2)
    assert trained[3:] == [("condition", 1), ("map", 1), ("regression", 1)]
    assert {name: rows[0] for name, rows in second.items()} == {
        name: rows[0] for name, rows in first.items()
    }
    assert set(first) == {
        "source",
        "condition",
        "condition, 4 evaluations",
        "map",
        "map, 4 evaluations",
        "regression",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["condition", "map", "regression"])
def test_each_is_trained_for_a_time_and_translates_sources_of_any_number(name, pairs, monkeypatch):
    monkeypatch.setattr("trainer.build.build_unet", build_unet)
    monkeypatch.setattr(translators, "build_unet", build_unet)
    translate, steps = train(name, NETWORK, pairs, seconds=1, seed=0)
    assert steps > 1
    sources = pairs.sources[:7]
    results = translate(sources, 0, MANY)
    assert (results.shape, results.dtype) == (sources.shape, np.uint8)
    np.testing.assert_array_equal(translate(sources, 0, MANY), results)
    assert np.array_equal(translate(sources, 7, MANY), results) == (name != "condition")
    assert np.array_equal(translate(sources, 0, FEW), results) == (name == "regression")
