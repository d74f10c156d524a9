"""Results for the sources of held-out images."""

import functools

import apache_beam as beam
import keras
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that

from components.images.records import example_key
from components.sample_evaluator import sources
from components.sample_evaluator.samples.sampler import (
    LoadedSampler,
    SamplerError,
    check_sampler,
)
from components.sample_evaluator.samples.translations import (
    ANSWERED,
    ANSWERS,
    NEXT_ANSWER,
    AnswerSeveral,
    CompareAnswers,
    SeedHeldOut,
    SeedSources,
    ShowSources,
    Translate,
    nb_answered,
)
from pipeline.evaluation.transform_graph import write_transform_graph
from trainer import examples
from trainer.ode.solvers import SOLVERS
from trainer.serving.translator import Translator
from trainer.source.degrade import degrade
from trainer.source.options import Source, parse

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Saves a model whose network is zero, once: it translates a source to itself."""

    @functools.cache
    def save_once(degradation, use="map"):
        folder = tmp_path_factory.mktemp("model") / "1"
        source = Source(degrade=degradation, use=use)
        x = keras.Input((8, 8, 1 + source.seen_channels(1)))
        network = keras.Model([x, keras.Input(())], 0.0 * x[..., :1])
        translator = Translator(source, network, SHAPE, SOLVERS["euler"], 2)
        translator.save(str(folder), {"nb_step": 2, "source": source.model_dump()})
        return str(folder)

    return save_once


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE)).astype(np.uint8)


@pytest.fixture(scope="module")
def records(images):
    def serialize(number, image):
        values = {
            examples.IMAGE: tf.io.encode_png(image).numpy(),
            examples.LABEL: b"cat" if number % 2 else b"",
            examples.SHA256: f"{number:064x}".encode(),
            examples.PATH: f"{number}.png".encode(),
        }
        feature = {
            key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            for key, value in values.items()
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    return [serialize(number, image) for number, image in enumerate(images)]


@pytest.mark.slow
def test_each_result_is_that_of_the_source_of_one_held_out_image_in_their_order(
    images, records, graph, save
):
    model = save("mask half")
    keys = sorted(map(example_key, records))[:6]
    expected = degrade(images[:6], parse("mask half")).numpy()[..., :1]

    def check(batches):
        assert sorted(len(batch.keys) for batch in batches) == [2, 4]
        found = {
            key: (label, image)
            for batch in batches
            for key, label, image in zip(batch.keys, batch.labels, batch.images, strict=True)
        }
        assert [int.from_bytes(key) for key in sorted(found)] == list(range(100, 106))
        for number, (_, (label, image)) in enumerate(sorted(found.items())):
            assert label == ("cat" if number % 2 else "")
            np.testing.assert_array_equal(image, expected[number])

    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        wanted = pipeline | "Keys" >> beam.Create([keys])
        drawn = (
            pipeline
            | beam.Create([*reversed(records)])
            | SeedHeldOut(wanted, 100)
            | beam.BatchElements(min_batch_size=4, max_batch_size=4)
            | beam.ParDo(Translate("candidate", model, graph))
        )
        assert_that(drawn, check)


def started(fn):
    fn.setup()
    return fn


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("graph"))
    write_transform_graph(SHAPE, folder, "mask half")
    return folder


def test_results_and_sources_have_the_scores_of_their_pairs(images, records, graph, save):
    model = save("mask half")
    seeded = list(enumerate(records))
    (results,) = started(Translate("candidate", model, graph)).process(seeded)
    (shown,) = started(ShowSources(sources.SOURCE, model, graph)).process(seeded)
    assert shown.source == sources.SOURCE
    derived = degrade(images, parse("mask half")).numpy()
    np.testing.assert_array_equal(shown.images, derived[..., :1])
    errors = np.mean((images - derived[..., :1].astype(float)) ** 2, axis=(1, 2, 3))
    expected = 10 * np.log10(255**2 / errors)
    np.testing.assert_allclose(shown.scores.psnr[:, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(results.images, shown.images)  # its network is zero
    for found, wanted in zip(results.scores, shown.scores, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.slow
def test_each_of_several_answers_has_a_seed_of_its_own_the_first_that_of_the_result(
    images, records, graph, save
):
    model = save("mask half", "condition")
    seeded = [(100 + number, record) for number, record in enumerate(records)]
    (answers,) = started(AnswerSeveral(model, graph)).process(seeded[::-1])
    assert answers.seeds == list(range(100, 109))
    np.testing.assert_array_equal(answers.images, images)
    assert answers.results.shape == (9, ANSWERS, *SHAPE)
    (results,) = started(Translate("candidate", model, graph)).process(seeded)
    np.testing.assert_array_equal(answers.results[:, 0], results.images)
    third = [(seed + 2 * NEXT_ANSWER, record) for seed, record in seeded]
    (results,) = started(Translate("candidate", model, graph)).process(third)
    np.testing.assert_array_equal(answers.results[:, 2], results.images)
    batches = {b.source: b for b in started(CompareAnswers(model, graph)).process(answers)}
    assert set(batches) == {sources.ANSWER, sources.MEAN_ANSWER, sources.OTHER}
    np.testing.assert_array_equal(batches[sources.ANSWER].images, answers.results[:, 0])
    mean = answers.results.mean(axis=1).round()
    np.testing.assert_array_equal(batches[sources.MEAN_ANSWER].images, mean)
    others = batches[sources.OTHER].images
    assert {image.tobytes() for image in others} == {image.tobytes() for image in images}
    assert not any((one == other).all() for one, other in zip(others, images, strict=True))


def test_a_map_without_noise_has_one_answer(records, graph, save):
    model = save("mask half")
    (answers,) = started(AnswerSeveral(model, graph)).process([(0, records[0]), (1, records[1])])
    assert answers.results.shape == (2, 1, *SHAPE)
    answer, other = started(CompareAnswers(model, graph)).process(answers)
    assert (answer.source, other.source) == (sources.ANSWER, sources.OTHER)
    assert not list(started(AnswerSeveral(model, graph)).process([]))


def test_unpaired_sources_are_seeded_in_their_order_and_get_the_labels_of_images(records):
    expected = sorted(map(example_key, records))[:3]

    def check(seeded):
        found = sorted(seeded)
        assert [(seed, example_key(record)) for seed, record in found] == [
            (10 + place, key) for place, key in enumerate(expected)
        ]
        labels = [
            tf.train.Example.FromString(record).features.feature[examples.LABEL].bytes_list.value
            for _, record in found
        ]
        assert [each[0] for each in labels] == [b"a", b"b", b""]

    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        labels = pipeline | "Labels" >> beam.Create([["a", "b", ""]])
        readings = tuple(
            pipeline | f"Read{number}" >> beam.Create(each)
            for number, each in enumerate((records[::-1], records))
        )
        assert_that(readings | SeedSources(labels, 10), check)


@pytest.mark.slow
def test_results_for_unpaired_sources_have_no_scores(images, records, save, tmp_path):
    model, graph = save("gray"), str(tmp_path / "graph")
    write_transform_graph(SHAPE, graph)
    seeded = list(enumerate(records))
    (shown,) = started(ShowSources(sources.SOURCE, model, graph, paired=False)).process(seeded)
    np.testing.assert_array_equal(shown.images, images)
    (results,) = started(Translate("candidate", model, graph, paired=False)).process(seeded)
    np.testing.assert_array_equal(results.images, images)  # its network is zero
    assert shown.scores is results.scores is None
    (answers,) = started(AnswerSeveral(model, graph, paired=False)).process(seeded)
    assert answers.images is None
    assert not list(started(CompareAnswers(model, graph, paired=False)).process(answers))
    several = answers._replace(results=np.repeat(answers.results, 2, axis=1))
    compared = list(started(CompareAnswers(model, graph, paired=False)).process(several))
    assert [each.source for each in compared] == [sources.ANSWER, sources.MEAN_ANSWER]


def test_fewer_sources_are_answered_where_images_are_large():
    assert nb_answered((8, 8, 1)) == nb_answered((64, 64, 3)) == ANSWERED
    assert nb_answered((256, 256, 3)) == 42
    assert nb_answered((1024, 1024, 3)) == 8


def test_a_model_that_translates_fits_data_with_its_sources_alone(save):
    model = save("mask box", "condition")
    sampler = check_sampler(model, SHAPE, (8, 8, 2))
    assert sampler.source.degrade == "mask box"
    assert sampler.source_shape == (8, 8, 2)
    assert not sampler.has_trajectory  # not from a seed alone
    with pytest.raises(SamplerError, match=r"of mask box, the data have none \(data.source, "):
        check_sampler(model, SHAPE, None)
    with pytest.raises(SamplerError, match=r"the data have sources \(8, 8, 1\)"):
        check_sampler(model, SHAPE, (8, 8, 1))


def test_answers_follow_the_seed(save):
    sampler = LoadedSampler(save("mask box", "condition"))
    sources = np.zeros((2, 8, 8, 2), np.uint8)
    first, second = (sampler.sample(np.arange(s, s + 2), ["", ""], sources=sources) for s in (0, 1))
    np.testing.assert_array_equal(first[1], second[0])
    assert np.any(first[0] != first[1])
