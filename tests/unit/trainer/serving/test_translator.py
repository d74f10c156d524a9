"""The exported model that translates, as a server loads it."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from pipeline.registry import serving
from trainer import preprocessing
from trainer.names import WARM_UP
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.serving.sampler import Sampler
from trainer.source.options import Source

SHAPE = (8, 16, 3)
CONDITION = Source(degrade="mask box")
MAP = Source(degrade="downscale 4", use="map")
NOISY = Source(degrade="downscale 4", use="map", noise=0.25)


def build(source, labels=()):
    keras.utils.set_random_seed(0)
    x = keras.Input((*SHAPE[:2], SHAPE[2] + source.seen_channels(SHAPE[2])))
    alpha = keras.Input(())
    inputs = [x, alpha]
    hidden = keras.layers.Conv2D(8, 3, padding="same")(x)
    hidden += keras.layers.Dense(8)(keras.layers.Reshape([1, 1, 1])(alpha))
    if labels:
        inputs.append(keras.Input((), dtype="int64"))
        embedded = keras.layers.Embedding(len(labels) + 1, 8, "normal")(inputs[-1])
        hidden += keras.layers.Reshape([1, 1, 8])(embedded)
    y = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.Activation("tanh")(hidden))
    return keras.Model(inputs, y)


def save(folder, source, labels=()):
    limits = LimitOptions(images=16)
    network = build(source, labels)
    translator = Sampler(
        network, SHAPE, Sampling("euler", nb_step=3), labels, limits=limits, source=source
    )
    translator.save(str(folder), {"nb_step": 3, "source": source.model_dump()})
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "condition": save(folder / "condition", CONDITION, ["cat", "dog"]),
        "map": save(folder / "map", MAP),
        "noisy": save(folder / "noisy", NOISY),
    }


@pytest.fixture(scope="module")
def models(folders):
    return {name: tf.saved_model.load(str(folder)) for name, folder in folders.items()}


def call(model, name, **inputs):
    (output,) = model.signatures[name](**inputs).values()
    return output.numpy()


def sources(count, channels):
    values = np.random.default_rng(0).integers(0, 256, (count, *SHAPE[:2], channels))
    values[..., 3:] = np.where(values[..., 3:] > 127, 255, 0)
    return tf.constant(values, tf.uint8)


def seeds(*numbers):
    return tf.constant(numbers, tf.int64)


def test_the_signatures_take_a_seed_where_a_source_has_several_answers(models):
    inputs = {
        name: {
            signature: sorted(function.structured_input_signature[1])
            for signature, function in model.signatures.items()
        }
        for name, model in models.items()
    }
    assert inputs["condition"] == {
        "serving_default": ["image_bytes", "label", "seed"],
        "translate": ["label", "nb_step", "seed", "source"],
        "trajectory": ["label", "nb_step", "seed", "source"],
        "deblend": ["alpha", "label", "source", "x_alpha"],
    }
    assert inputs["map"] == {
        "serving_default": ["image_bytes"],
        "translate": ["nb_step", "source"],
        "trajectory": ["nb_step", "source"],
        "deblend": ["alpha", "x_alpha"],
        "invert": ["image", "nb_step"],
    }
    assert inputs["noisy"]["translate"] == ["nb_step", "seed", "source"]


def test_an_answer_depends_on_source_and_seed_and_not_on_the_batch(models):
    source, label = sources(3, 4), tf.constant(["cat"] * 3)
    rows = {"source": source, "seed": seeds(5, 6, 7), "label": label}
    together = call(models["condition"], "translate", **rows, nb_step=4)
    second = {name: value[1:2] for name, value in rows.items()}
    alone = call(models["condition"], "translate", **second, nb_step=4)
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 1
    for changed in ({"source": source[::-1]}, {"seed": seeds(1, 2, 3)}, {"label": label[:2]}):
        if "label" in changed:
            changed = {"label": tf.constant(["dog"] * 3)}
        other = call(models["condition"], "translate", **{**rows, **changed}, nb_step=4)
        assert np.any(other != together), changed


def test_a_map_has_one_answer_and_a_way_back(models):
    smooth = tf.image.resize(sources(2, 3), [2, 4], "area")
    source = tf.cast(64 + tf.image.resize(smooth, SHAPE[:2], "bicubic") / 2, tf.uint8)
    image = call(models["map"], "translate", source=source, nb_step=64)
    inside = (image > 0) & (image < 255)
    back = call(models["map"], "invert", image=tf.constant(image), nb_step=64)
    assert inside.mean() > 0.9
    assert np.median(np.abs(back.astype(int) - source.numpy())) <= 3


def test_the_way_back_has_the_contrast_of_sources():
    network = build(NOISY)
    network.set_weights([np.zeros_like(weights) for weights in network.get_weights()])
    translator = Sampler(network, SHAPE, Sampling("euler", nb_step=3), source=NOISY)
    # Without a difference, x0 is x1: what is 3/4 of a source of contrast 1.
    image = tf.constant(preprocessing.to_uint8(tf.fill([1, *SHAPE], 0.75 * 0.5)))
    (back,) = translator.invert(image=image, nb_step=tf.constant(4)).values()
    assert np.all(np.abs(back.numpy().astype(int) - preprocessing.to_uint8(0.5).numpy()) <= 1)


def test_a_share_of_noise_gives_several_answers_near_each_other(models):
    rows = {"source": sources(1, 3), "nb_step": 8}
    first, second, again = (
        call(models["noisy"], "translate", seed=seeds(seed), **rows) for seed in (1, 2, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != second)


@pytest.mark.parametrize(("name", "channels"), [("condition", 4), ("map", 3), ("noisy", 3)])
def test_the_trajectory_ends_where_translate_does(models, name, channels):
    rows = {"source": sources(2, channels), "nb_step": 4}
    rows |= {} if name == "map" else {"seed": seeds(1, 2)}
    rows |= {"label": tf.constant(["cat", ""])} if name == "condition" else {}
    states = call(models[name], "trajectory", **rows)
    assert states.shape == (2, 5, *SHAPE)
    np.testing.assert_array_equal(states[:, -1], call(models[name], "translate", **rows))
    if name == "map":
        np.testing.assert_array_equal(states[:, 0], rows["source"])


def test_a_file_is_translated_as_its_pixels_are(models):
    source = sources(2, 4).numpy()
    source[source[..., 3] == 0] = [128, 128, 128, 0]
    files = tf.constant([png(image) for image in source])
    rows = {"seed": seeds(3, 4), "label": tf.constant(["dog", "cat"])}
    found = call(models["condition"], "serving_default", image_bytes=files, **rows)
    expected = call(models["condition"], "translate", source=source, nb_step=3, **rows)
    decoded = np.stack([Image.open(io.BytesIO(each)) for each in found])
    np.testing.assert_array_equal(decoded, expected)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image_bytes": [png(np.zeros([8, 16, 4], np.uint8)), b"no image"]},
         "image_bytes, row 1: neither a PNG nor a JPEG file"),
        ({"seed": [1]}, "expected one seed per image"),
        ({"label": ["cow", "cat"]}, "unknown label"),
        ({"label": ["cat"]}, "expected one label per image"),
        ({"image_bytes": [b""] * 17, "seed": [1] * 17, "label": [""] * 17},
         "at most 16 images"),
    ],
)  # fmt: skip
def test_a_bad_request_is_one_line(models, changed, message):
    file = png(np.zeros([8, 16, 4], np.uint8))
    rows = {"image_bytes": [file, file], "seed": [1, 2], "label": ["cat", "dog"]} | changed
    rows = {n: tf.constant(v, tf.int64 if n == "seed" else tf.string) for n, v in rows.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(models["condition"], "serving_default", **rows)


def test_no_row_is_no_error(models):
    none = {"seed": tf.zeros([0], tf.int64), "label": tf.zeros([0], tf.string)}
    assert call(
        models["condition"], "translate", source=sources(0, 4), nb_step=2, **none
    ).shape == (0, *SHAPE)
    files = tf.zeros([0], tf.string)
    assert not call(models["condition"], "serving_default", image_bytes=files, **none).size


@pytest.mark.parametrize("name", ["condition", "map", "noisy"])
def test_warm_up_requests_run_where_requests_are_batched(models, folders, name):
    warmed = []
    for record in tf.data.TFRecordDataset(f"{folders[name]}/{WARM_UP}"):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        given = {key: tf.constant(tf.make_ndarray(p)) for key, p in request.inputs.items()}
        assert all(tensor.shape.rank >= 1 for tensor in given.values())
        warmed.append(request.model_spec.signature_name)
        assert len(call(models[name], warmed[-1], **given)) == 1
    assert warmed == ["serving_default", "deblend"]


@pytest.mark.slow
def test_a_model_is_served_without_this_project(folders):
    result = serving.check(folders["condition"])
    assert result.returncode == 0, result.stderr
    called = {line.split()[0] for line in result.stdout.splitlines()}
    assert called == {"serving_default", "translate", "trajectory", "deblend"}
