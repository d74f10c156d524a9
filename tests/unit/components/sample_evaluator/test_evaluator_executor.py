"""SampleEvaluator end to end on real images: its blessings and its reasons."""

import json
import pathlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from evaluator_data import (
    NB_STEP,
    describe,
    mark_of,
    open_png,
    split_names,
    write_examples,
    write_model,
    write_network_model,
)
from planted_models import read_digits, split
from tfx.types import channel_utils, standard_artifacts

from benchmarks.gate.verdicts import describe_pixels, judge
from components.features.digest import FeatureError
from components.features.options import FeatureOptions
from components.image_trainer.names import TEACHER
from components.real_features.artifact import ImageFeatures
from components.sample_evaluator.component import SampleEvaluator
from components.sample_evaluator.evaluation import EvaluatedModel
from components.sample_evaluator.executor import Executor, _other_split
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.samples.draw import noise_pixels
from components.sample_evaluator.verdict.checks import (
    KEPT,
    MISSED,
    left_out,
    outcome_of,
    read_checks,
)
from trainer.common import xmp
from trainer.common.image_grid import image_grid
from trainer.common.progress import listening
from trainer.names import METADATA

HELD_OUT = 150  # images; pixels of digits have 64 dimensions, so that 128 are needed
PIXELS = FeatureOptions(name="pixels")
OPTIONS = EvaluateOptions(
    batch_size=64,
    min_samples=100,
    samples=200,
    limits="none",
    features=PIXELS,
    thresholds={
        "kid": Threshold(maximum=0.05, max_worsening=0.01),
        "frechet_distance": Threshold(maximum=20),
    },
)


BY_PLACE = EvaluateOptions(batch_size=64, samples=200, features=PIXELS)


class Outcome(NamedTuple):
    """What one evaluation left behind."""

    blessing: standard_artifacts.ModelBlessing
    folder: pathlib.Path
    summary: dict[str, Any]

    @property
    def reason(self):
        return self.blessing.get_string_custom_property("reason")


@pytest.fixture(scope="module")
def example_folder(digits, tmp_path_factory):
    splits = {"eval": digits[:HELD_OUT], "train": digits[HELD_OUT:500]}
    return write_examples(tmp_path_factory.mktemp("examples"), splits, shards=2)


@pytest.fixture(scope="module")
def good_stock(digits):
    """Images that the splits do not hold, as from a perfect model."""
    return digits[600:1000]


@pytest.fixture(scope="module")
def described(transform_graph, tmp_path_factory):
    """Runs RealFeatures, once for the same examples and options."""
    folders = {}

    def describe_once(examples, options):
        key = (examples, options.samples, options.batch_size, options.features.model_dump_json())
        if key not in folders:
            folders[key] = str(tmp_path_factory.mktemp("features"))
            describe(examples, transform_graph, folders[key], options)
        return folders[key]

    return describe_once


@pytest.fixture(scope="module")
def evaluate(example_folder, described, transform_graph, tmp_path_factory):
    """Runs SampleEvaluator on a model, into a new folder."""

    def artifact(kind, uri, number):
        result = kind()
        result.uri, result.id = str(uri), number
        return result

    def run(
        model, baseline=None, options=OPTIONS, folder=example_folder, history=(), student=False
    ):
        examples = artifact(standard_artifacts.Examples, folder, 1)
        examples.split_names = split_names(folder)
        inputs = {
            "examples": [examples],
            "features": [artifact(ImageFeatures, described(folder, options), 20)],
            "transform_graph": [artifact(standard_artifacts.TransformGraph, transform_graph, 2)],
            "model": [artifact(standard_artifacts.Model, model, 3)],
            "baseline": [artifact(standard_artifacts.Model, baseline, 4)] if baseline else [],
            "history": [
                artifact(standard_artifacts.ModelEvaluation, uri, 7 + i)
                for i, uri in enumerate(history)
            ],
        }
        if student:
            inputs["model"][0].set_int_custom_property(TEACHER, 4)
        output = tmp_path_factory.mktemp("output")
        blessing = artifact(standard_artifacts.ModelBlessing, output / "blessing", 5)
        evaluation = artifact(standard_artifacts.ModelEvaluation, output / "evaluation", 6)
        for made in (blessing, evaluation):
            pathlib.Path(made.uri).mkdir(parents=True)
        Executor().Do(
            inputs,
            {"blessing": [blessing], "evaluation": [evaluation]},
            {
                "options": options.model_dump_json(exclude={"samples"}),
                "samples": options.samples,
                "source_hash": "",
            },
        )
        text = pathlib.Path(evaluation.uri, "metrics.json").read_text(encoding="utf-8")
        summary = json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
        outcome = Outcome(blessing, pathlib.Path(evaluation.uri), summary)
        assert not [path for path in outcome.folder.iterdir() if path.is_dir()]
        assert_blessing_is_complete(outcome, model, baseline)
        assert evaluation.get_int_custom_property("current_model_id") == 3
        return outcome

    return run


def assert_blessing_is_complete(outcome, model, baseline):
    blessed = outcome.summary["blessed"]
    files = [path.name for path in pathlib.Path(outcome.blessing.uri).iterdir()]
    assert files == ["BLESSED" if blessed else "NOT_BLESSED"]
    assert outcome.blessing.get_int_custom_property("blessed") == int(blessed)
    assert outcome.blessing.get_string_custom_property("current_model") == model
    assert outcome.blessing.get_int_custom_property("current_model_id") == 3
    if baseline:
        assert outcome.blessing.get_string_custom_property("baseline_model") == baseline
        assert outcome.blessing.get_int_custom_property("baseline_model_id") == 4
    assert outcome.reason == "; ".join(outcome.summary["reasons"]) != ""
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert ("✓ Blessed" in page) == blessed


def disturb(images, deviation):
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return np.clip(np.round(images + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def good(evaluate, good_stock, tmp_path_factory):
    """The first model, judged by the default limits."""
    return evaluate(write_model(tmp_path_factory.mktemp("good"), good_stock), options=BY_PLACE)


def test_a_good_model_is_blessed_by_its_place(good, good_stock):
    outcome = good
    assert outcome.summary["blessed"], outcome.summary["reasons"]
    assert not left_out(read_checks(outcome.summary))
    assert outcome.summary["baseline"] == {"uri": None, "status": "there is none yet"}
    assert outcome.summary["nb_step"] == NB_STEP
    assert set(outcome.summary["images"].values()) == {HELD_OUT}
    assert outcome.summary["classes"] == {}
    assert outcome.summary["kinds"]["by"] == "cluster"
    assert not any(kind["missing"] for kind in outcome.summary["kinds"]["kinds"])
    assert not (outcome.folder / "missing_kinds.png").exists()
    assert outcome.summary["history"] == []
    assert outcome.summary["memorization"]["candidate"]["share"] < 0.1
    kid = outcome.summary["metrics"]["kid"]
    assert abs(kid["candidate"]) < 0.05
    assert abs(kid["train"]) < 0.05
    assert kid["noise"] > 1
    assert kid["baseline"] is None
    assert "kid " in outcome.reason
    for name, limit in BY_PLACE.judged.items():
        found = outcome.summary["metrics"][name]
        assert outcome_of(read_checks(outcome.summary), name) == KEPT
        assert found["place"] - found["place_margin"] < limit.max_place
        assert found["best_place"] is None
    np.testing.assert_array_equal(
        open_png(outcome.folder / "samples.png"), image_grid(good_stock[:100]).squeeze()
    )
    loaded = tfma.load_eval_result(str(outcome.folder), model_name="candidate")
    assert dict(loaded.slicing_metrics)[()][""][""]["kid"]["doubleValue"] == kid["candidate"]
    assert tfma.load_validation_result(str(outcome.folder)).validation_ok


def test_pictures_of_samples_say_that_a_model_made_them_and_those_of_images_do_not(
    good, described, example_folder
):
    for name in ("samples.png", "nearest_pairs.png", "worst_samples.png"):
        assert xmp.SOURCE_TYPE in mark_of(good.folder / name)
    assert mark_of(pathlib.Path(described(example_folder, BY_PLACE)) / "real.png") == ""


@pytest.mark.slow
def test_a_model_is_compared_with_the_best_earlier_one(evaluate, good, good_stock, tmp_path):
    model = write_model(tmp_path / "model", disturb(good_stock, 90))
    found = evaluate(model, options=BY_PLACE, history=[good.folder]).summary["metrics"]
    for name in BY_PLACE.judged:
        best = good.summary["metrics"][name]
        assert found[name]["best_place"] == pytest.approx(best["place"] + best["place_margin"])


@pytest.mark.slow
def test_a_student_is_blessed_beside_its_teacher_and_compared_with_no_earlier_model(
    evaluate, good, good_stock, tmp_path
):
    """Whatever the limits, which neither of them keeps."""
    noisy = disturb(good_stock, 90)
    models = [write_model(tmp_path / name, noisy) for name in ("student", "teacher")]
    outcome = evaluate(*models, BY_PLACE, history=[good.folder], student=True)
    assert outcome.summary["blessed"], outcome.summary["reasons"]
    for name in BY_PLACE.judged:
        assert outcome.summary["metrics"][name]["best_place"] is None
    spectrum = outcome.summary["metrics"]["spectrum_distance"]
    assert outcome_of(read_checks(outcome.summary), "spectrum_distance") == KEPT
    assert spectrum["max_place"] == pytest.approx(spectrum["place"])
    assert spectrum["max_place"] > BY_PLACE.judged["spectrum_distance"].max_place
    [entry] = outcome.summary["history"]
    assert entry["model"] == good.summary["model"]["uri"]
    assert entry["metrics"]["kid"] == good.summary["metrics"]["kid"]["candidate"]


@pytest.fixture(scope="module")
def holdout(digits):
    """Images held out for good, unlike all others."""
    return disturb(digits[500:650], 100)


@pytest.fixture(scope="module")
def beside_an_equal(evaluate, good_stock, described, digits, holdout, tmp_path_factory):
    """A model beside an equal baseline, and all that was reported while it was evaluated.

    Its one fault is that the images held out for good are others than it draws.
    """
    root, reports = tmp_path_factory.mktemp("models"), []
    splits = {"eval": digits[:HELD_OUT], "train": digits[HELD_OUT:500], "holdout": holdout}
    folder = write_examples(root / "examples", splits)
    limits = OPTIONS.thresholds | {
        "kid@holdout": Threshold(maximum=0.05, max_worsening=0.0),
        "coverage@holdout": Threshold(minimum=0),
    }
    options = OPTIONS.model_copy(update={"thresholds": limits})
    described(folder, options)
    models = [write_model(root / name, good_stock) for name in ("model", "baseline")]
    with listening(reports.append):
        return evaluate(*models, options, folder), reports


@pytest.mark.slow
def test_an_equal_baseline_does_not_block(beside_an_equal):
    summary = beside_an_equal[0].summary
    kid = summary["metrics"]["kid"]
    assert outcome_of(read_checks(summary), "kid") == KEPT
    assert not [reason for reason in summary["reasons"] if "@holdout" not in reason]
    assert summary["baseline"]["status"] == "compared"
    assert kid["candidate"] == kid["baseline"]


@pytest.mark.slow
def test_all_that_an_evaluation_has_to_do_is_known_and_reported(beside_an_equal):
    done, expected, blocks = Counter(), Counter(), Counter()
    for change in beside_an_equal[1]:
        done[change.phase] += change.done
        expected[change.phase] += change.expected
        blocks[change.phase] += change.entered
    assert set(blocks.values()) == {0}
    assert (done["sampling"], done["features"]) == (2 * HELD_OUT, 3 * HELD_OUT)
    assert {name: done[name] for name in expected if expected[name]} == +expected
    assert set(expected) >= {
        "loading the model",
        "describing the images",
        "nearest training images",
        "metrics",
        "writing the report",
    }


def _tiles(canvas):
    """The 8x8 images of a 10x10 grid that shows each pixel as 8x8, with gaps of 4."""
    corners = range(4, 680, 68)
    return [canvas[i : i + 64 : 8, j : j + 64 : 8] for i in corners for j in corners]


@pytest.mark.slow
def test_the_same_images_in_other_files_give_the_same_metrics(
    evaluate, good_stock, digits, tmp_path
):
    splits = {"eval": digits[:HELD_OUT][::-1], "train": digits[HELD_OUT:500][::-1]}
    other = write_examples(tmp_path / "examples", splits, shards=3)
    model = write_model(tmp_path / "model", good_stock)
    options = OPTIONS.model_copy(update={"samples": 120})
    first = evaluate(model, options=options).summary
    second = evaluate(
        model, options=options.model_copy(update={"batch_size": 17}), folder=other
    ).summary
    assert first["samples"] == 120
    assert first["metrics"] == second["metrics"]


@pytest.mark.slow
def test_the_images_held_out_for_good_are_compared_and_judged_as_those_of_the_data_are(
    beside_an_equal, good_stock, digits, holdout
):
    outcome = beside_an_equal[0]
    metrics = outcome.summary["metrics"]
    assert outcome.summary["images"]["holdout"] == len(holdout)
    value = metrics["kid@holdout"]["candidate"]
    assert outcome.summary["reasons"] == [f"kid@holdout {value:.4g} exceeds 0.05"]
    assert outcome_of(read_checks(outcome.summary), "kid@holdout") == MISSED
    assert metrics["kid@holdout"]["worsening"] <= 0
    drawn = noise_pixels(range(HELD_OUT), (8, 8, 1))
    shown = {
        "real": holdout,
        "train": digits[HELD_OUT:500],
        "candidate": good_stock[:HELD_OUT],
        "baseline": good_stock[:HELD_OUT],
        "noise": drawn,
    }
    described = {source: describe_pixels(PIXELS, images) for source, images in shown.items()}
    compared = judge(described, OPTIONS).results["candidate"].metrics
    for name in ("kid", "frechet_distance", "coverage"):
        assert metrics[f"{name}@holdout"]["candidate"] == pytest.approx(compared[name].value)
        for source in ("baseline", "train", "noise"):
            assert metrics[f"{name}@holdout"][source] is not None
    assert "kid@holdout" in (outcome.folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def overruled(evaluate, good_stock, tmp_path_factory):
    """A model judged in other features, never blessed, beside a baseline that is missing."""
    options = OPTIONS.model_copy(
        update={
            "features": FeatureOptions(name="random_conv"),
            "thresholds": {"kid": Threshold(maximum=0.5)},
            "bless": "never",
        }
    )
    model = write_model(tmp_path_factory.mktemp("model"), good_stock)
    return evaluate(model, f"{model} that is missing", options)


@pytest.mark.slow
def test_the_feature_space_that_is_named_is_what_is_compared(overruled):
    assert overruled.summary["features"] == "random_conv"
    needed = "150 images are too few for 128 feature dimensions"
    assert needed in overruled.summary["metrics"]["frechet_distance"]["unavailable"]


@pytest.mark.slow
def test_a_baseline_that_cannot_be_compared_is_reported_and_does_not_block(overruled):
    assert overruled.reason.startswith(
        "evaluate.bless=never overrides the limits, which the model meets"
    )
    assert overruled.summary["metrics"]["kid"]["baseline"] is None
    assert overruled.summary["baseline"]["uri"].endswith("that is missing")
    status = overruled.summary["baseline"]["status"]
    assert status.startswith("not compared: ") and status.endswith("no such folder")
    assert status in (overruled.folder / "report.html").read_text(encoding="utf-8")
    assert overruled.summary["warnings"][0] == f"the baseline is {status}"


@pytest.mark.slow
def test_a_damaged_baseline_blocks_models_that_must_not_be_worse_than_it(
    evaluate, good_stock, tmp_path
):
    model, live = (write_model(tmp_path / name, good_stock) for name in ("model", "live"))
    pathlib.Path(live, "Format-Serving", "saved_model.pb").write_bytes(b"")
    outcome = evaluate(model, live)
    assert not outcome.summary["blessed"]
    assert outcome.reason.startswith(
        "it cannot be compared with the baseline, which is damaged: "
        f"{tmp_path.name}/live/Format-Serving does not load"
    )


@pytest.mark.slow
def test_a_baseline_of_another_size_is_reported_and_does_not_block(evaluate, good_stock, tmp_path):
    model = write_model(tmp_path / "model", good_stock)
    smaller = write_model(tmp_path / "smaller", good_stock[:, ::2, ::2])
    outcome = evaluate(model, smaller)
    assert outcome.summary["blessed"]
    (warning,) = outcome.summary["warnings"]
    assert warning == (
        f"the baseline is not compared: {tmp_path.name}/smaller/Format-Serving draws images "
        "(4, 4, 1), the data contain (8, 8, 1)"
    )


@pytest.mark.slow
def test_a_blessing_can_be_forced_and_the_reason_says_so(overruled):
    assert not overruled.summary["blessed"]
    assert outcome_of(read_checks(overruled.summary), "kid") == KEPT


def test_weights_that_changed_since_the_run_began_stop_it(evaluate, good_stock, tmp_path):
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"other weights")
    features = FeatureOptions(name=f"onnx:{weights}", sha256="0" * 64)
    with pytest.raises(FeatureError, match=f"evaluate.features.sha256: {weights} has the digest"):
        evaluate(
            write_model(tmp_path / "model", good_stock),
            options=OPTIONS.model_copy(update={"features": features}),
        )


@pytest.mark.slow
def test_a_model_with_every_signature_shows_all_there_is_to_see(evaluate, good_stock, tmp_path):
    model = write_network_model(tmp_path / "model")
    outcome = evaluate(model, write_model(tmp_path / "baseline", good_stock))
    for name in ("samples", "nearest_pairs", "trajectories", "worst_samples"):
        assert (outcome.folder / f"{name}.png").exists()
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 6
    assert page.count("<svg ") == 2  # the spectrum, the bar of the copies
    kid = outcome.summary["metrics"]["kid"]
    assert not outcome.summary["blessed"]  # what the network draws is as bad as noise
    assert outcome_of(read_checks(outcome.summary), "kid") == MISSED
    assert f"kid {kid['candidate']:.4g} exceeds 0.05" in outcome.summary["reasons"]


def label_of(image):
    return ("a", "b", "c")[int(image.sum()) % 3]


@pytest.mark.slow
@pytest.mark.parametrize("candidate_is_conditional", [True, False])
def test_a_conditional_model_draws_the_labels_of_the_held_out_images(
    evaluate, described, digits, tmp_path, candidate_is_conditional
):
    splits = {"eval": digits[:HELD_OUT], "train": digits[HELD_OUT:300]}
    folder = write_examples(tmp_path / "examples", splits, shards=2, label_of=label_of)
    known = ["a", "b"]  # label c came later than the model
    stock = digits[1000:1003]
    conditional = write_model(tmp_path / "conditional", stock, known)
    other = write_model(tmp_path / "other", digits[600:1000])
    options = OPTIONS.model_copy(update={"batch_size": 17})
    if candidate_is_conditional:
        outcome = evaluate(conditional, other, options, folder)
        real = _tiles(open_png(pathlib.Path(described(folder, options)) / "real.png"))
        drawn = _tiles(open_png(outcome.folder / "samples.png"))
        indices = [(*known, "c").index(label_of(image)) for image in real]
        assert set(indices) == {0, 1, 2}
        np.testing.assert_array_equal(drawn, stock[indices].squeeze(-1))
        classes = outcome.summary["classes"]
        assert list(classes) == ["a", "b", "c"]
        assert sum(found["images"] for found in classes.values()) == HELD_OUT
        assert classes["a"]["metrics"]["kid"] is not None
    else:
        outcome = evaluate(other, conditional, options, folder)
    assert outcome.summary["baseline"]["status"] == "compared"
    kid = outcome.summary["metrics"]["kid"]
    better, worse = ("baseline", "candidate")[:: 1 if candidate_is_conditional else -1]
    assert kid[better] < 0.05 < kid[worse]


@pytest.mark.slow
@pytest.mark.parametrize(("known", "is_said"), [(["a", "b"], True), (["a", "b", "c"], False)])
def test_a_class_whose_images_are_all_held_out_is_named(evaluate, digits, tmp_path, known, is_said):
    splits = {"eval": digits[:HELD_OUT], "train": digits[HELD_OUT:300]}
    folder = write_examples(tmp_path / "examples", splits, shards=2, label_of=label_of)
    model = write_model(tmp_path / "model", digits[1000:1003], known)
    warnings = evaluate(model, None, OPTIONS, folder).summary["warnings"]
    assert any("does not know the class c, of which" in line for line in warnings) == is_said


@pytest.mark.slow
def test_a_class_that_the_samples_lack_is_named_and_shown(evaluate, tmp_path):
    stock = read_digits()
    label_of = {
        image.tobytes(): str(label) for image, label in zip(stock.pixels, stock.labels, strict=True)
    }
    held_out, train, others = split(stock, 300, 900, 597)
    folder = write_examples(
        tmp_path / "examples",
        {"eval": held_out.pixels, "train": train.pixels},
        label_of=lambda image: label_of[image.tobytes()],
    )
    samples = others.pixels[others.labels != 3]
    options = OPTIONS.model_copy(update={"samples": 300})
    outcome = evaluate(write_model(tmp_path / "model", samples), None, options, folder)
    kinds = outcome.summary["kinds"]
    assert (kinds["by"], kinds["unavailable"]) == ("class", None)
    assert kinds["accuracy"] > 0.9
    assert [kind["name"] for kind in kinds["kinds"]] == list("0123456789")
    assert [kind["name"] for kind in kinds["kinds"] if kind["missing"]] == ["3"]
    assert sum(kind["held_out"] for kind in kinds["kinds"]) == 300
    threes = held_out.pixels[held_out.labels == 3]
    shown = open_png(outcome.folder / "missing_kinds.png")[4:68:8]
    for left in range(4, 8 * 68, 68):
        tile = shown[:, left : left + 64 : 8]
        assert (tile == threes[..., 0]).all(axis=(1, 2)).any()
    assert outcome.summary["metrics"]["spectrum_distance"]["candidate"] < 0.1
    assert outcome.summary["metrics"]["spectrum_distance"]["noise"] > 1


@pytest.mark.slow
def test_a_candidate_that_cannot_be_sampled_is_not_blessed(evaluate, good_stock, tmp_path):
    model = write_model(tmp_path / "model", good_stock[:, ::2, ::2])
    outcome = evaluate(model)
    assert not outcome.summary["blessed"]
    assert "cannot be sampled" in outcome.reason
    assert outcome.summary["metrics"]["kid"]["candidate"] is None
    assert outcome.summary["metrics"]["kid"]["train"] is not None
    assert not (outcome.folder / "samples.png").exists()


@pytest.mark.slow
def test_too_few_held_out_images_block(evaluate, digits, good_stock, tmp_path):
    folder = write_examples(
        tmp_path / "examples", {"eval": digits[:60], "train": digits[HELD_OUT:500]}
    )
    model = write_model(tmp_path / "model", good_stock)
    outcome = evaluate(model, folder=folder)
    assert not outcome.summary["blessed"]
    assert outcome.summary["samples"] == 60
    assert "60 held-out images are too few" in outcome.reason
    assert outcome.summary["metrics"]["frechet_distance"]["candidate"] is None


def test_the_component_carries_its_options_as_json():
    def of(kind):
        return channel_utils.as_channel([kind()])

    component = SampleEvaluator(
        examples=of(standard_artifacts.Examples),
        features=of(ImageFeatures),
        transform_graph=of(standard_artifacts.TransformGraph),
        model=of(standard_artifacts.Model),
        options=OPTIONS,
        samples=150,
        source_hash="abc",
    )
    carried = json.loads(component.exec_properties["options"])
    assert EvaluateOptions.model_validate({**carried, "samples": 200}) == OPTIONS
    assert "samples" not in carried
    assert component.exec_properties["samples"] == 150
    assert component.exec_properties["source_hash"] == "abc"
    assert set(component.outputs) == {"evaluation", "blessing"}
    assert "baseline" not in component.inputs


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"split": {"data.eval_percent": 20}, "conversion": {"fit": "crop"}}, None),
        ({"split": {"data.eval_percent": 50}, "conversion": {"fit": "crop"}}, "data.eval_percent"),
        ({"split": {"data.eval_percent": 20}, "conversion": {"fit": "pad"}}, "data.fit"),
        ({}, None),
        ([], None),
        ({"split": [1], "conversion": ["x"]}, None),
        (None, None),
    ],
)
def test_a_baseline_that_was_trained_on_another_split_is_warned_of(tmp_path, before, said):
    now = {"split": {"data.eval_percent": 20}, "conversion": {"fit": "crop"}}
    models = []
    for name, metadata in (("model", now), ("baseline", before)):
        folder = tmp_path / name
        models.append(EvaluatedModel(str(folder), str(folder)))
        if metadata is not None:
            (folder / METADATA).parent.mkdir(parents=True)
            (folder / METADATA).write_text(json.dumps(metadata))
    found = _other_split(*models)
    assert len(found) == (said is not None)
    if said:
        assert f"trained with another {said}: it may have seen" in found[0]
