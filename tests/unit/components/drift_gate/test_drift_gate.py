"""DriftGate end to end on real images, upright and rotated, and what it compares with."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

from components.drift_gate.component import DriftError, DriftGate, DriftVerdict
from components.drift_gate.drift import SCALARS, SOURCE_SCALARS, Sample, space_of
from components.drift_gate.options import DriftOptions
from components.features.options import FeatureOptions
from trainer.records import DamagedExamplesError

DAY = 60  # images


@pytest.fixture(scope="module")
def digits():
    """All digits in a fixed random order, uint8 [1797, 8, 8, 1]."""
    images = np.round(load_digits().images / 16 * 255).astype(np.uint8)[..., None]
    return np.random.default_rng(0).permutation(images)


class Gate:
    """Runs DriftGate on one span after the other, each verdict the reference of the next."""

    def __init__(self, folder, last=None):
        """`last`: the verdict on the spans before."""
        self._folder, self._number, self.last = folder, last.id if last else 0, last

    def judge(self, spans, features="pixels", **options):
        """Judges spans {number: images}; returns the verdict."""
        self._number += 1
        folder = self._folder / str(self._number)
        examples, verdict = Examples(), DriftVerdict()
        examples.uri, verdict.uri = str(folder), str(folder / "verdict")
        examples.id = verdict.id = self._number
        examples.set_int_custom_property("span", max(spans))
        records = [serialize(image, span) for span, images in spans.items() for image in images]
        splits = {"train": records[::2], "eval": records[1::2]}
        examples.split_names = artifact_utils.encode_split_names([*splits])
        for split, part in splits.items():
            write_records(folder / f"Split-{split}" / "data.gz", part)
        Path(verdict.uri).mkdir()
        DriftGate.test_call(
            examples=examples,
            verdict=verdict,
            options=DriftOptions(**options).model_dump_json(),
            features=FeatureOptions(name=features).model_dump_json(),
            source_hash="",
            reference=self.last,
        )
        self.last = verdict
        return json.loads(Path(verdict.uri, "verdict.json").read_text())

    @property
    def reference(self):
        return Sample.load(f"{self.last.uri}/reference.npz")


def serialize(image, span):
    """An example; a pair of images has a source and an image."""
    source, image = image if isinstance(image, tuple) else (None, image)
    image = np.ascontiguousarray(image)
    png = tf.io.encode_png(image).numpy()
    sha256 = hashlib.sha256(image.tobytes()).hexdigest().encode()
    texts = {"image": png, "sha256": sha256, "path": sha256[:9] + b".png"}
    means = {"mean": image.mean(), "stddev": image.std()}
    if source is not None:
        texts["source"] = tf.io.encode_png(np.ascontiguousarray(source)).numpy()
        means |= {"source_mean": source.mean(), "source_stddev": source.std()}
    numbers = {"span": span, "source_width": 8, "source_height": 8, "source_bytes": len(png)}
    feature = {
        k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for k, v in texts.items()
    }
    for name, value in numbers.items():
        feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    for name, value in means.items():
        feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write_records(path, records):
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


@pytest.fixture(scope="module")
def first_days(digits, tmp_path_factory):
    """Gates that have judged a first span, by its days."""
    gates = {days: Gate(tmp_path_factory.mktemp("first")) for days in (1, 5)}
    for days, gate in gates.items():
        gate.judge({1: digits[: days * DAY]}, on_drift="hold")
    return gates


@pytest.fixture
def after_one_day(first_days, tmp_path):
    """A gate that judges a second span."""
    return Gate(tmp_path, first_days[1].last)


@pytest.fixture
def after_five_days(first_days, tmp_path):
    """A gate that judges a second span, after a first one of five days."""
    return Gate(tmp_path, first_days[5].last)


def rotated(images):
    return np.rot90(images, axes=(1, 2))


def test_the_first_images_pass_and_are_the_reference_of_the_next(first_days):
    gate = first_days[1]
    verdict = json.loads(Path(gate.last.uri, "verdict.json").read_text())
    assert not verdict["drifted"]
    assert verdict["summary"] == "not compared: no earlier images"
    assert len(gate.reference) == DAY


def test_images_like_those_before_pass_and_join_the_reference(after_five_days, digits):
    verdict = after_five_days.judge({2: digits[5 * DAY : 6 * DAY]}, on_drift="hold")
    assert verdict["summary"] == "no drift: 60 new images against 300 earlier ones"
    assert [found["name"] for found in verdict["differences"]] == [*SCALARS, "features"]
    assert len(after_five_days.reference) == 6 * DAY
    assert after_five_days.last.get_int_custom_property("drifted") == 0


@pytest.mark.slow
def test_rotated_images_drift_in_features_alone_and_are_not_reported_again(gate, digits):
    space = {"features": "random_conv"}
    gate.judge({1: digits[: 3 * DAY]}, **space)
    verdict = gate.judge({2: rotated(digits[3 * DAY : 4 * DAY])}, **space)
    assert [found["name"] for found in verdict["differences"] if found["drifted"]] == ["features"]
    assert gate.last.get_int_custom_property("drifted") == 1
    assert gate.last.get_string_custom_property("summary").startswith("features 0.")
    assert len(gate.reference) == DAY
    assert not gate.judge({3: rotated(digits[4 * DAY : 5 * DAY])}, **space)["drifted"]


def test_held_images_stop_the_run_with_one_line_that_names_the_remedy(after_five_days, digits):
    with pytest.raises(DriftError) as error:
        after_five_days.judge({2: 255 - digits[5 * DAY : 6 * DAY]}, on_drift="hold")
    text = str(error.value)
    assert text.startswith("the images of span 2 drifted: ")
    assert "mean 1 (limit 0." in text
    assert text.endswith("To accept them in one run: drift.on_drift=warn and data.span=2")
    assert "\n" not in text


def test_only_spans_that_the_reference_has_not_seen_are_compared(after_five_days, digits):
    window = {1: digits[: 5 * DAY], 2: rotated(digits[300:360]), 3: rotated(digits[360:420])}
    verdict = after_five_days.judge(window)
    assert verdict["drifted"]
    assert verdict["summary"].endswith(": 120 new images against 300 earlier ones")


def test_without_spans_all_images_are_compared_each_time(gate, digits):
    gate.judge({0: digits[:DAY]})
    verdict = gate.judge({0: digits[: 2 * DAY]})
    assert verdict["summary"] == "no drift: 120 new images against 60 earlier ones"
    assert len(gate.reference) == 2 * DAY


def test_of_many_images_a_sample_is_compared_and_the_same_each_time(gate, digits):
    first = Gate(gate._folder / "again")
    for each in (gate, first):
        each.judge({1: digits[:200]}, images=50)
    assert gate.reference.keys.tolist() == first.reference.keys.tolist()
    assert len(gate.reference) == 50
    assert gate.judge({2: digits[200:360]}, images=50)["summary"] == (
        "no drift: 50 new images against 50 earlier ones"
    )
    assert len(gate.reference) == 50


def test_too_few_images_are_not_compared_and_join_the_reference(after_one_day, digits):
    verdict = after_one_day.judge({2: rotated(digits[DAY : DAY + 5])}, on_drift="hold")
    assert verdict["summary"] == (
        "not compared: 5 new images against 60 earlier ones, at least 20 each required"
    )
    assert len(after_one_day.reference) == DAY + 5


def test_another_feature_space_starts_anew(after_one_day, digits):
    new = {2: digits[DAY : 2 * DAY]}
    verdict = after_one_day.judge(new, features="random_conv", on_drift="hold")
    assert verdict["summary"].startswith("not compared: the earlier images have another size")
    assert len(after_one_day.reference) == DAY


def test_a_verdict_says_what_its_reference_can_be_compared_with(gate, digits):
    gate.judge({1: digits[:DAY]})
    of_digits = space_of(FeatureOptions(name="pixels").identity, (8, 8, 1), paired=False)
    assert gate.last.get_string_custom_property("space") == of_digits == gate.reference.space
    gate.judge({2: pairs(digits[:DAY])})
    assert gate.last.get_string_custom_property("space") == space_of(
        FeatureOptions(name="pixels").identity, (8, 8, 1), paired=True
    )


def test_images_that_are_all_equal_are_not_compared(gate):
    gate.judge({1: np.zeros((1, 8, 8, 1), np.uint8)})
    assert "not compared" in gate.judge({2: np.ones((30, 8, 8, 1), np.uint8)})["summary"]


def test_a_damaged_file_of_examples_is_named(gate, digits, monkeypatch):
    written = write_records

    def cut_off(path, records):
        written(path, records)
        path.write_bytes(path.read_bytes()[:-50])

    monkeypatch.setattr(f"{__name__}.write_records", cut_off)
    with pytest.raises(DamagedExamplesError, match="is damaged: remove "):
        gate.judge({1: digits[:DAY]})


def pairs(images, change="none"):
    sources = rotated(images) if change == "source" else images
    if change == "light":
        sources = sources // 2
    return list(zip(sources, rotated(images) if change == "image" else images, strict=True))


@pytest.fixture(scope="module")
def first_pairs(digits, tmp_path_factory):
    """A gate that has judged a first span of pairs."""
    gate = Gate(tmp_path_factory.mktemp("first_pairs"))
    gate.judge({1: pairs(digits[:DAY])})
    return gate


@pytest.mark.parametrize("change", ["none", "image", "source", "light"])
def test_sources_are_watched_as_well_as_images(first_pairs, digits, tmp_path, change):
    gate = Gate(tmp_path, first_pairs.last)
    verdict = gate.judge({2: pairs(digits[DAY : 2 * DAY], change)})
    assert verdict["drifted"] == (change != "none")
    names = {found["name"] for found in verdict["differences"]}
    assert names == {*SCALARS, *SOURCE_SCALARS, "features"}
    drifted = {found["name"] for found in verdict["differences"] if found["drifted"]}
    assert ("source_mean" in drifted) == (change == "light")


def test_images_with_sources_are_not_compared_with_images_without(after_one_day, digits):
    verdict = after_one_day.judge(
        {2: list(zip(digits[:DAY], digits[:DAY], strict=True))}, on_drift="hold"
    )
    assert "other features or sources" in verdict["summary"]
