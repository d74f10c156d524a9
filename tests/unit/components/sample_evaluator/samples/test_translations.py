"""Results for the sources of held-out images."""

import apache_beam as beam
import keras
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that

from components.images.records import example_key
from components.sample_evaluator.samples.draw import DrawTranslations
from components.sample_evaluator.samples.sampler import (
    DEBLEND,
    LoadedSampler,
    SamplerError,
    check_sampler,
)
from pipeline.evaluation.steps import write_transform_graph
from trainer import examples
from trainer.ode.solvers import SOLVERS
from trainer.serving.translator import Translator
from trainer.source.degrade import degrade
from trainer.source.options import Source, parse

SHAPE = (8, 8, 1)


def save(folder, degradation, use="map"):
    """Saves a model whose network is zero: it translates a source to itself."""
    source = Source(degrade=degradation, use=use)
    x = keras.Input((8, 8, 1 + source.seen_channels(1)))
    network = keras.Model([x, keras.Input(())], 0.0 * x[..., :1])
    translator = Translator(source, network, SHAPE, SOLVERS["euler"], 2)
    translator.save(str(folder), {"nb_step": 2, "source": source.model_dump()})
    return str(folder)


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


def test_each_result_is_that_of_the_source_of_one_held_out_image_in_their_order(
    images, records, tmp_path
):
    model, graph = save(tmp_path / "model", "downscale 4"), str(tmp_path / "graph")
    write_transform_graph(SHAPE, graph, "downscale 4")
    keys = sorted(map(example_key, records))[:6]
    expected = degrade(images[:6], parse("downscale 4")).numpy()

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
        drawn = pipeline | beam.Create([*reversed(records)]) | DrawTranslations(
            "candidate", model, graph, wanted, 100, 4
        )  # fmt: skip
        assert_that(drawn, check)


def test_a_model_that_translates_fits_data_with_its_sources_alone(tmp_path):
    model = save(tmp_path / "model", "mask box", "condition")
    sampler = check_sampler(model, SHAPE, (8, 8, 2))
    assert sampler.source.degrade == "mask box"
    assert sampler.source_shape == (8, 8, 2)
    assert not sampler.has(DEBLEND)  # not from x_alpha and alpha alone
    with pytest.raises(SamplerError, match=r"of mask box, the data have none \(data.source, "):
        check_sampler(model, SHAPE, None)
    with pytest.raises(SamplerError, match=r"the data have sources \(8, 8, 1\)"):
        check_sampler(model, SHAPE, (8, 8, 1))


def test_answers_follow_the_seed(tmp_path):
    sampler = LoadedSampler(save(tmp_path / "model", "mask box", "condition"))
    sources = np.zeros((2, 8, 8, 2), np.uint8)
    first, second = (sampler.sample(np.arange(s, s + 2), ["", ""], sources=sources) for s in (0, 1))
    np.testing.assert_array_equal(first[1], second[0])
    assert np.any(first[0] != first[1])
