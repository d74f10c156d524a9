"""Results for the sources of held-out images."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.features.pixels import pixels
from components.images.image_set import describe
from components.images.records import decode_images, load_decoder
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
    Sources,
    answer_several,
    compare_answers,
    nb_answered,
    read_sources,
    show_sources,
    translate,
)
from pipeline.evaluation.transform_graph import write_transform_graph
from trainer import examples
from trainer.ode.transport import Sampling
from trainer.serving.sampler import Sampler
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
        translator = Sampler(network, SHAPE, Sampling("euler", nb_step=2), source=source)
        translator.save(str(folder), {"nb_step": 2, "source": source.model_dump()})
        return str(folder)

    return save_once


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    """Examples of the images, in two files."""
    folder = tmp_path_factory.mktemp("examples")
    for part in range(2):
        with tf.io.TFRecordWriter(f"{folder}/{part}.gz", "GZIP") as writer:
            for number in range(len(images))[part * 5 : part * 5 + 5]:
                writer.write(serialize(number, images[number]))
    return str(folder)


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


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("graph"))
    write_transform_graph(SHAPE, folder, "mask half")
    return folder


@pytest.fixture(scope="module")
def held_out(images, graph):
    """The first six images."""
    records = [serialize(number, image) for number, image in enumerate(images[:6])]
    return describe(decode_images(records, load_decoder(graph)), pixels)


@pytest.fixture(scope="module")
def given(folder, graph, held_out):
    decode_source = load_decoder(graph, examples.SOURCE)
    return read_sources(folder, held_out, load_decoder(graph), decode_source, 4)


@pytest.fixture(scope="module")
def unpaired(images):
    return Sources([""] * len(images), images, None)


def test_each_held_out_image_has_its_source_in_the_order_of_keys(images, held_out, given):
    assert given.labels == held_out.labels == ["", "cat"] * 3
    np.testing.assert_array_equal(given.images, images[:6])
    np.testing.assert_array_equal(given.pixels, degrade(images[:6], parse("mask half")).numpy())


def test_the_first_unpaired_sources_get_the_labels_of_held_out_images(
    images, folder, graph, held_out
):
    given = read_sources(folder, held_out, load_decoder(graph), None, 4)
    assert given.labels == held_out.labels
    assert given.images is None
    np.testing.assert_array_equal(given.pixels, images[:6])


def test_results_and_sources_have_the_scores_of_their_pairs(given, save):
    sampler = LoadedSampler(save("mask half"))
    results, shown = (each(sampler, given, 100, 4) for each in (translate, show_sources))
    assert [int.from_bytes(key) for key in results.keys] == list(range(100, 106))
    assert results.labels == given.labels
    np.testing.assert_array_equal(shown.pixels, given.pixels[..., :1])
    np.testing.assert_array_equal(results.pixels, shown.pixels)  # its network is zero
    errors = np.mean((given.images - shown.pixels.astype(float)) ** 2, axis=(1, 2, 3))
    expected = 10 * np.log10(255**2 / errors)
    for images in (results, shown):
        np.testing.assert_allclose(images.scores.psnr[:, 0], expected, rtol=1e-5)


@pytest.mark.slow
def test_each_of_several_answers_has_a_seed_of_its_own_the_first_that_of_the_result(given, save):
    sampler = LoadedSampler(save("mask half", "condition"))
    answers = answer_several(sampler, given, 100)
    assert answers.shape == (6, ANSWERS, *SHAPE)
    for number in (0, 2):
        results = translate(sampler, given, 100 + number * NEXT_ANSWER, 4)
        np.testing.assert_array_equal(answers[:, number], results.pixels)
    compared = compare_answers(sampler, given, answers, 100)
    assert compared.keys() == {sources.ANSWER, sources.MEAN_ANSWER, sources.OTHER}
    assert all(each.scores for each in compared.values())
    np.testing.assert_array_equal(compared[sources.ANSWER].pixels, answers[:, 0])
    mean = answers.mean(axis=1).round()
    np.testing.assert_array_equal(compared[sources.MEAN_ANSWER].pixels, mean)
    others = compared[sources.OTHER].pixels
    assert {image.tobytes() for image in others} == {image.tobytes() for image in given.images}
    assert not any((a == b).all() for a, b in zip(others, given.images, strict=True))


def test_a_map_without_noise_has_one_answer(given, save):
    sampler = LoadedSampler(save("mask half"))
    answers = answer_several(sampler, given, 0)
    assert answers.shape == (6, 1, *SHAPE)
    compared = compare_answers(sampler, given, answers, 0)
    assert compared.keys() == {sources.ANSWER, sources.OTHER}


def test_results_for_unpaired_sources_have_no_scores(unpaired, save):
    sampler = LoadedSampler(save("gray"))
    for images in (translate(sampler, unpaired, 0, 4), show_sources(sampler, unpaired, 0, 4)):
        np.testing.assert_array_equal(images.pixels, unpaired.pixels)  # its network is zero
        assert images.scores is None
    answers = answer_several(sampler, unpaired, 0)
    assert not compare_answers(sampler, unpaired, answers, 0)
    several = np.repeat(answers, 2, axis=1)
    compared = compare_answers(sampler, unpaired, several, 0)
    assert compared.keys() == {sources.ANSWER, sources.MEAN_ANSWER}


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
