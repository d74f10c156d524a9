"""Evaluations of models that translate, end to end on digits."""

import json
import pathlib
from collections import Counter
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from evaluator_data import mark_of, open_png, real_images, write_model

from components.features.options import FeatureOptions
from components.sample_evaluator.evaluate import evaluate
from components.sample_evaluator.evaluation import EvaluatedModel, Evaluation, StoredImages
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.verdict.checks import KEPT, left_out, missed, outcome_of
from components.sample_evaluator.verdict.gate import ModelVerdict
from trainer.common import xmp
from trainer.common.progress import listening
from trainer.ode.transport import Sampling
from trainer.serving.sampler import Sampler
from trainer.source.options import Source

SHAPE = (8, 8, 1)
HELD_OUT = 60
OPTIONS = EvaluateOptions(
    batch_size=32,
    samples=60,
    limits="none",
    features=FeatureOptions(name="pixels"),
    thresholds={
        "psnr": Threshold(minimum=10.0, max_worsening=0.5),
        "feature_distance": Threshold(maximum=0.5),
    },
)
FILES = ("pairs.png", "answers.png")


class Outcome(NamedTuple):
    verdict: ModelVerdict
    folder: pathlib.Path
    summary: dict[str, Any]


def save(folder, use, degrade="downscale 2"):
    """Saves a model whose network is zero: it returns x0, that is the source, or noise."""
    source = Source(degrade=degrade, use=use)
    x = keras.Input((8, 8, 1 + source.seen_channels(1)))
    network = keras.Model([x, keras.Input(())], 0.0 * x[..., :1])
    translator = Sampler(network, SHAPE, Sampling("euler", nb_step=2), source=source)
    translator.save(str(folder), {"nb_step": 2, "source": source.model_dump()})
    return EvaluatedModel(str(folder), str(folder))


@pytest.fixture(scope="module")
def real(digits, tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    splits = {"eval": digits[:HELD_OUT], "train": digits[HELD_OUT:200]}
    return real_images(root, splits, OPTIONS, "downscale 2")


@pytest.fixture
def run(real, tmp_path):
    def run(candidate, baseline=None, options=OPTIONS, real=real):
        output = tmp_path / "output"
        output.mkdir()
        verdict = evaluate(Evaluation(real, candidate, options, str(output), baseline))
        text = (output / "metrics.json").read_text("utf-8")
        return Outcome(verdict, output, json.loads(text, parse_constant=pytest.fail))

    return run


@pytest.mark.slow
def test_a_map_to_the_source_scores_as_the_source_itself(run, tmp_path):
    model = save(tmp_path / "model", "map")
    verdict, folder, summary = run(model, save(tmp_path / "other", "map"))
    assert verdict.blessed, verdict.reasons
    for name in ("psnr", "ssim", "feature_distance", "consistency", "kid", "frechet_distance"):
        metric = summary["metrics"][name]
        assert metric["candidate"] == metric["source"] == metric["baseline"]
        assert metric.get("mean_answer") is None
    psnr = summary["metrics"]["psnr"]
    assert psnr["train"] is psnr["noise"] is psnr["place"] is None
    assert psnr["worsening"] == pytest.approx(-psnr["margin"])  # there is no difference
    assert psnr["candidate"] > psnr["other"] + 3
    assert outcome_of(verdict.checks, "psnr") == KEPT
    assert psnr["minimum"] == 10
    assert summary["metrics"]["feature_distance"]["other"] == pytest.approx(1, abs=0.2)
    assert summary["images"]["source"] == summary["images"]["other"] == HELD_OUT
    assert summary["answers"] is None
    assert not (folder / "answers.png").exists()
    height, width = open_png(folder / "pairs.png").shape
    assert width > 2.5 * height  # three rows of three times three
    report = (folder / "report.html").read_text("utf-8")
    assert "Results beside their images" in report
    assert "Source, result and image" in report  # the caption


@pytest.mark.slow
def test_the_fixed_images_are_compared_with_results_for_their_own_sources(run, digits, tmp_path):
    """Whatever the images show that are held out of the data."""
    splits = {"eval": 255 - digits[:40], "train": digits[100:200], "holdout": digits[40:90]}
    options = OPTIONS.model_copy(
        update={
            "thresholds": {
                "kid@holdout": Threshold(maximum=0.05, max_worsening=0.0),
                "psnr@holdout": Threshold(minimum=58, max_worsening=0.0),
            }
        }
    )
    real = real_images(tmp_path / "real", splits, options, "gray")
    # Digits have no colors to lose: what returns its sources is right.
    models = [save(tmp_path / name, "map", "gray") for name in ("model", "baseline")]
    done, expected = Counter(), Counter()

    def count(change):
        done[change.phase] += change.done
        expected[change.phase] += change.expected

    with listening(count):
        verdict, _, summary = run(*models, options, real)
    assert verdict.blessed, verdict.reasons
    kid, psnr = (summary["metrics"][name] for name in options.thresholds)
    assert kid["candidate"] == kid["source"] == kid["baseline"] < kid["train"] < 0.05 < kid["noise"]
    assert psnr["candidate"] == psnr["source"] == psnr["baseline"] == pytest.approx(58.9, abs=0.1)
    assert psnr["train"] is None
    assert kid["worsening"] == psnr["worsening"] == 0
    for name in options.thresholds:
        assert outcome_of(verdict.checks, name) == KEPT
    consistency, distance = (
        summary["metrics"][f"{name}@holdout"] for name in ("consistency", "feature_distance")
    )
    assert (consistency["candidate"], distance["candidate"]) == (psnr["candidate"], 0)
    # Two models and an answer to each source; noise and sources, answers and others beside them.
    assert done["sampling"] == expected["sampling"] == 2 * (40 + 50) + 40
    assert done["features"] == expected["features"] == (3 + 1) * 40 + (2 + 1) * 50 + 2 * 40


def test_a_model_that_ignores_its_sources_is_not_blessed(run, tmp_path):
    model = save(tmp_path / "model", "condition")  # noise, whatever the source
    options = OPTIONS.model_copy(update={"limits": "loose", "thresholds": {}})
    verdict, folder, summary = run(model, options=options)
    assert not verdict.blessed
    assert "the model ignores its sources" in missed(verdict.checks)["psnr"]
    answers = summary["answers"]
    assert (answers["sources"], answers["answers"]) == (HELD_OUT, 8)
    assert answers["pixel_diversity"] == pytest.approx(np.sqrt(2) * 90, rel=0.15)  # clipped noise
    psnr = summary["metrics"]["psnr"]
    assert psnr["answer"] == psnr["candidate"]  # all sources are among the first ones
    assert psnr["mean_answer"] > psnr["candidate"] + 1.5  # noise averages out
    assert all((folder / name).exists() for name in FILES)
    assert all(xmp.SOURCE_TYPE in mark_of(folder / name) for name in FILES[:2])
    report = (folder / "report.html").read_text("utf-8")
    assert "mean of 8 answers" in report


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model", "folder"])
def test_a_model_or_a_folder_that_does_not_translate_is_judged_without_pairs(
    run, real, digits, tmp_path, kind
):
    if kind == "model":
        model = f"{write_model(tmp_path / 'model', digits[300:500])}/Format-Serving"
        candidate = EvaluatedModel(model, model)
    else:
        candidate = StoredImages("folder", real.examples["eval"])
    verdict, folder, summary = run(candidate, save(tmp_path / "baseline", "map"))
    assert not missed(verdict.checks)
    assert not left_out(verdict.checks)
    assert "answers" not in summary
    assert "psnr" not in summary["metrics"]
    assert "source" not in summary["metrics"]["kid"]
    assert not any((folder / name).exists() for name in FILES)
    assert "beside their images" not in (folder / "report.html").read_text("utf-8")
