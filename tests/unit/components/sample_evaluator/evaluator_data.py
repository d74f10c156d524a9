"""Data for the tests of the evaluator: examples and samplers of given images."""

import hashlib
import json
import pathlib

import apache_beam as beam
import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils, standard_artifacts

import trainer.serving.sampler
from components.images.records import example_key
from components.real_features.artifact import ImageFeatures
from components.real_features.component import RealFeatures
from components.real_features.options import RealFeaturesOptions
from components.sample_evaluator.evaluation import RealImages
from pipeline.config.sections import BeamConfig
from pipeline.evaluation.transform_graph import write_transform_graph
from tests.stock_sampler import StockSampler
from trainer.common import xmp
from trainer.names import METADATA
from trainer.ode.transport import Sampling

BEAM_ARGS = BeamConfig().arguments("RealFeatures")
SHAPE = (8, 8, 1)
NB_STEP = 7


def serialize(image, label=""):
    """One tf.Example of the contract, for an image uint8 [H, W, C]."""
    png = tf.io.encode_png(image).numpy()
    sha256 = hashlib.sha256(image.tobytes()).hexdigest().encode()
    path = b"images/" + sha256[:8] + b".png"
    values = {"image": png, "label": label.encode(), "sha256": sha256, "path": path}
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in values.items()
            }
        )
    ).SerializeToString()


def write_examples(folder, splits, shards=1, label_of=lambda image: ""):
    """Writes splits {name: images} as ExampleGen lays them out; returns the folder."""
    for split, images in splits.items():
        target = pathlib.Path(folder) / f"Split-{split}"
        target.mkdir(parents=True)
        records = sorted((serialize(each, label_of(each)) for each in images), key=example_key)
        size = -(-len(records) // shards)
        for shard in range(shards):
            path = target / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for record in records[shard * size : (shard + 1) * size]:
                    writer.write(record)
    return str(folder)


def split_names(example_folder):
    """The splits that `write_examples` wrote, as the artifact's property has them."""
    folders = pathlib.Path(example_folder).glob("Split-*")
    names = sorted(folder.name.removeprefix("Split-") for folder in folders)
    return artifact_utils.encode_split_names(names)


def describe(example_folder, transform_graph, output, options):
    """Runs RealFeatures on examples that `write_examples` wrote."""

    def artifact(kind, uri):
        result = kind()
        result.uri = str(uri)
        return result

    examples = artifact(standard_artifacts.Examples, example_folder)
    examples.split_names = split_names(example_folder)
    RealFeatures.test_call(
        examples=examples,
        transform_graph=artifact(standard_artifacts.TransformGraph, transform_graph),
        features=artifact(ImageFeatures, output),
        options=options.model_dump_json(include=set(RealFeaturesOptions.model_fields)),
        samples=options.samples,
        source_hash="",
        beam_pipeline=beam.Pipeline(argv=BEAM_ARGS),
    )


class LabelSampler(tf.Module):
    """Draws the image of each label, of none the last in the stock; takes no label but these."""

    def __init__(self, stock, labels):
        super().__init__()
        self._stock, self._labels = tf.constant(stock), tf.constant([*labels, ""])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, "seed"),
            tf.TensorSpec([], tf.int32, "nb_step"),
            tf.TensorSpec([None], tf.string, "label"),
        ]
    )
    def generate(self, seed, nb_step, label):
        del nb_step
        tf.debugging.assert_equal(tf.size(seed), tf.size(label))
        index = tf.where(label[:, None] == self._labels[None])[:, 1]
        tf.debugging.assert_equal(tf.size(index), tf.size(label))
        return {"image": tf.gather(self._stock, index)}


def real_images(root, splits, options, degradation=None):
    """Writes splits {name: images}, their TransformGraph and their features; returns RealImages."""
    folder, features = write_examples(root / "examples", splits), root / "features"
    graph = str(root / "graph")
    write_transform_graph(SHAPE, graph, degradation)
    features.mkdir()
    describe(folder, graph, features, options)
    return RealImages({split: f"{folder}/Split-{split}" for split in splits}, str(features), graph)


def write_model(folder, stock, labels=None):
    """Writes a Model artifact's folder with a sampler of the images `stock`; returns the folder.

    With labels it draws by these, one image of the stock for each and the last for none.
    """
    sampler = LabelSampler(stock, labels) if labels else StockSampler(stock)
    serving = f"{folder}/Format-Serving"
    tf.saved_model.save(sampler, serving, signatures={"generate": sampler.generate})
    metadata = {"nb_step": NB_STEP} | ({"labels": labels} if labels else {})
    path = pathlib.Path(serving, METADATA)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(metadata), encoding="utf-8")
    return str(folder)


def write_network_model(folder, labels=(), nb_step=NB_STEP, limits=None):
    """Writes a Model artifact's folder with every signature; returns the folder.

    Its network is d(x, alpha) = x alpha - 1/2, plus the label's id where there are labels.
    """
    x, alpha = keras.Input(SHAPE), keras.Input(())
    y = x * keras.layers.Reshape([1, 1, 1])(alpha) - 0.5
    inputs = [x, alpha]
    if labels:
        inputs.append(keras.Input((), dtype="int64"))
        y = y + keras.ops.cast(keras.layers.Reshape([1, 1, 1])(inputs[-1]), "float32")
    sampler = trainer.serving.sampler.Sampler(
        keras.Model(inputs, y), SHAPE, Sampling("euler", nb_step=nb_step), labels, limits=limits
    )
    sampler.save(f"{folder}/Format-Serving", {"nb_step": nb_step})
    return str(folder)


def mark_of(path):
    """The XMP packet of a PNG; empty without one."""
    with Image.open(path) as image:
        return image.info.get(xmp.KEYWORD, "")


def open_png(path):
    """Reads an image file as an array."""
    with Image.open(path) as image:
        return np.asarray(image)
