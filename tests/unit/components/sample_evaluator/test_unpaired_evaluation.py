"""Evaluations of models that map one set of images to another, end to end on digits."""

import json

import keras
import pytest
from evaluator_data import open_png, real_images, write_model

from components.features.options import FeatureOptions
from components.sample_evaluator.evaluate import evaluate
from components.sample_evaluator.evaluation import EvaluatedModel, Evaluation
from components.sample_evaluator.options import EvaluateOptions, Threshold
from trainer.ode.transport import Sampling
from trainer.serving.sampler import Sampler
from trainer.source.options import Source

SHAPE = (8, 8, 1)
HELD_OUT, SOURCES = 60, 40
OPTIONS = EvaluateOptions(
    batch_size=32,
    samples=60,
    limits="none",
    min_samples=20,
    features=FeatureOptions(name="pixels"),
    thresholds={"kid": Threshold(maximum=10.0), "psnr": Threshold(minimum=50.0)},
)


def save(folder, noise=0.0):
    """Saves a model whose network is zero: it returns the source, with a share of noise."""
    source = Source(degrade=None, use="map", noise=noise, paired=False)
    x = keras.Input(SHAPE)
    network = keras.Model([x, keras.Input(())], 0.0 * x)
    translator = Sampler(network, SHAPE, Sampling("euler", nb_step=2), source=source)
    translator.save(str(folder), {"nb_step": 2, "source": source.model_dump()})
    return EvaluatedModel(str(folder), str(folder))


@pytest.fixture(scope="module")
def real(digits, tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    splits = {
        "eval": digits[:HELD_OUT],
        "train": digits[HELD_OUT:200],
        "source_eval": 255 - digits[200 : 200 + SOURCES],
        "source_train": 255 - digits[300:310],
    }
    images = real_images(root, splits, OPTIONS)
    assert not list((root / "features").glob("source_*"))
    return images


def run(real, candidate, baseline, output):
    output.mkdir()
    verdict = evaluate(Evaluation(real, candidate, OPTIONS, str(output), baseline))
    return verdict, json.loads((output / "metrics.json").read_text("utf-8"))


def test_each_held_out_source_has_a_result_that_is_judged_without_a_partner(real, digits, tmp_path):
    drawn = f"{write_model(tmp_path / 'drawn', digits[300:500])}/Format-Serving"
    output = tmp_path / "output"
    verdict, summary = run(real, save(tmp_path / "model"), EvaluatedModel(drawn, drawn), output)
    assert verdict.blessed, verdict.reasons  # the limit on psnr does not apply
    assert "psnr" not in summary["metrics"]
    images = summary["images"]
    assert images["candidate"] == images["real"] == images["source"] == images["noise"] == SOURCES
    assert "other" not in images
    kid = summary["metrics"]["kid"]
    assert kid["candidate"] == kid["source"] > 2 * kid["baseline"]
    assert summary["answers"] is None
    height, width = open_png(output / "pairs.png").shape
    assert 1.6 * height < width < 2.4 * height  # three rows of three times two
    report = (output / "report.html").read_text("utf-8")
    assert "Results beside their sources" in report
    assert "no image is that of a source" in report


@pytest.mark.slow
def test_several_answers_are_compared_by_their_pixels_alone(real, tmp_path):
    output = tmp_path / "output"
    _, summary = run(real, save(tmp_path / "model", noise=0.5), None, output)
    kid = summary["metrics"]["kid"]
    assert kid["mean_answer"] != kid["answer"] == kid["candidate"]
    assert (summary["answers"]["sources"], summary["answers"]["diversity"]) == (SOURCES, None)
    assert summary["answers"]["pixel_diversity"] > 10
    assert (output / "answers.png").exists()
