"""A sampler SavedModel is checked before it is used."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from evaluator_data import NB_STEP, SHAPE, write_model, write_network_model

from components.sample_evaluator.samples.sampler import (
    LoadedSampler,
    SamplerError,
    check_sampler,
    load_sampler,
)
from trainer.names import METADATA
from trainer.ode.options import LimitOptions
from trainer.serving.stored_model import ModelArgumentError


@pytest.fixture
def serving(tmp_path, digits):
    return f"{write_model(tmp_path, digits[:10])}/Format-Serving"


def test_draws_the_image_of_each_seed(serving, digits):
    sampler = LoadedSampler(serving)
    assert sampler.nb_step == NB_STEP
    np.testing.assert_array_equal(sampler.sample(np.array([3, 1]), ["", ""]), digits[[3, 1]])


def test_a_conditional_model_draws_the_labels_it_knows_and_the_others_as_none(tmp_path, digits):
    serving = f"{write_model(tmp_path, digits[:3], ['cat', 'dog'])}/Format-Serving"
    drawn = LoadedSampler(serving).sample(np.arange(4), ["dog", "", "cow", "cat"])
    np.testing.assert_array_equal(drawn, digits[[1, 2, 2, 0]])
    assert check_sampler(serving, SHAPE).nb_step == NB_STEP


@pytest.mark.slow
def test_a_model_shows_its_way_with_the_labels_it_knows(tmp_path):
    sampler = LoadedSampler(f"{write_network_model(tmp_path, ['cat', 'dog'])}/Format-Serving")
    assert sampler.has_trajectory
    labels = ["dog", "cow", "", "cat"]
    states = sampler.trajectory(np.arange(4), labels)
    assert states.shape == (4, NB_STEP + 1, *SHAPE)
    np.testing.assert_array_equal(states[:, -1], sampler.sample(np.arange(4), labels))


@pytest.mark.slow
def test_batches_beyond_the_limits_of_the_model_are_split(tmp_path):
    limits = LimitOptions(images=32, nb_step=16, states=256)
    folder = write_network_model(tmp_path, ["cat", "dog"], nb_step=16, limits=limits)
    sampler = LoadedSampler(f"{folder}/Format-Serving")
    labels = ["dog", "", "cat"] * 25
    images = sampler.sample(np.arange(75), labels)  # at most 16 per call
    assert images.shape == (75, *SHAPE)
    some = sampler.sample(np.arange(40, 45), labels[40:45])
    last = sampler.trajectory(np.arange(75), labels)[:, -1]
    # Rounding may differ between batches.
    np.testing.assert_allclose(images[40:45].astype(int), some, atol=1)
    np.testing.assert_allclose(images.astype(int), last, atol=1)
    with pytest.raises(ModelArgumentError, match="at most 16 nb_step"):
        sampler.sample(np.arange(3), labels[:3], nb_step=17)


@pytest.mark.parametrize("limits", ['"256"', '{"images": 0}', '{"pixels": 3}'])
def test_limits_that_no_training_writes_are_rejected(serving, limits):
    text = f'{{"nb_step": 1, "limits": {limits}}}'
    pathlib.Path(serving, METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(SamplerError, match=r"iadb.json: limits") as caught:
        check_sampler(serving, SHAPE)
    assert "\n" not in str(caught.value)


def test_a_model_that_only_draws_has_nothing_more_to_show(serving):
    sampler = LoadedSampler(serving)
    assert not sampler.has_trajectory


def test_a_model_in_use_is_not_loaded_twice_and_a_new_one_in_its_place_is(serving, digits):
    sampler = load_sampler(serving)
    assert load_sampler(serving) is sampler
    del sampler
    shutil.rmtree(serving)
    write_model(pathlib.Path(serving).parent, digits[10:20])
    drawn = load_sampler(serving).sample(np.array([3]), [""])
    np.testing.assert_array_equal(drawn, digits[[13]])


@pytest.mark.parametrize("labels", ['"cat"', "[1, 2]"])
def test_labels_that_are_not_names_are_rejected(serving, labels):
    text = f'{{"nb_step": 1, "labels": {labels}}}'
    pathlib.Path(serving, METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(SamplerError, match=r"iadb.json: labels"):
        check_sampler(serving, SHAPE)


def test_a_model_that_fits_has_steps(serving):
    assert check_sampler(serving, SHAPE).nb_step == NB_STEP


def test_other_image_shapes_are_named(serving):
    with pytest.raises(
        SamplerError, match=r"draws images \(8, 8, 1\).*the data contain \(4, 4, 3\)"
    ):
        check_sampler(serving, (4, 4, 3))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"nb_step": 0}', '{"nb_step": "32"}'])
def test_metadata_without_steps_are_named(serving, text):
    pathlib.Path(serving, METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(SamplerError, match=r"iadb.json"):
        check_sampler(serving, SHAPE)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(SamplerError, match="gone: no such folder"):
        check_sampler(str(tmp_path / "gone"), SHAPE)


def test_a_damaged_model_is_named_in_one_line(serving):
    pathlib.Path(serving, "saved_model.pb").write_bytes(b"\0garbage")
    with pytest.raises(SamplerError, match="does not load as a SavedModel") as caught:
        check_sampler(serving, SHAPE)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_said_to_be_no_sampler_and_what_it_has(tmp_path):
    other = str(tmp_path / "other")
    classifier = tf.Module()
    classifier.call = tf.function(lambda x: {"score": x}, [tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(classifier, other, signatures={"serving_default": classifier.call})
    with pytest.raises(SamplerError, match="other is not a sampler of this project"):
        check_sampler(other, SHAPE)
    path = pathlib.Path(other, METADATA)
    path.parent.mkdir()
    path.write_text('{"nb_step": 1}', encoding="utf-8")
    with pytest.raises(
        SamplerError, match=r"has the signatures serving_default: .* the signature 'generate'"
    ):
        check_sampler(other, SHAPE)
