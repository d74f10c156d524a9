import json
import shutil

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from pipeline.config.pipeline_config import load
from tests import small_network
from tests.exported_models import metadata, randomize, write_sampler, write_with_network
from trainer.common.resolution import to_sides
from trainer.light import network_file
from trainer.names import FINGERPRINT, METADATA, NETWORK
from trainer.networks.step_length import take_steps
from trainer.networks.unet import build_unet
from trainer.networks.within_range import within_range
from trainer.ode.options import SampleOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions
from trainer.serving.onnx_network import convert, convert_saved_model
from trainer.serving.sampler import Sampler

LABELS = ["cat", "äpfel"]


def inputs(shape, nb_class, count=3):
    rng = np.random.default_rng(1)
    feed = {
        "x_alpha": rng.normal(size=(count, *shape)).astype(np.float32),
        "alpha": rng.random(count).astype(np.float32),
    }
    return feed | ({"label": rng.integers(0, nb_class + 1, count)} if nb_class else {})


def run(content, feed):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == list(feed)
    [difference] = session.run(["difference"], feed)
    return difference


def evaluate(network, feed):
    return network([tf.constant(each) for each in feed.values()], training=False).numpy()


def distance(found, expected):
    """The largest difference, relative to the largest value."""
    return np.abs(found - expected).max() / np.abs(expected).max()


def preset_network(name, precision, nb_class, **changes):
    options = load(name)
    shape = (*to_sides(options.data.resolution), options.data.channels)
    network = build_unet(options.model.model_copy(update=changes), shape, precision, nb_class)
    return randomize(network, 0.02), shape


def export(network, shape, labels, folder):
    """Converts a network beside the files that a SavedModel would have."""
    (folder / METADATA).parent.mkdir()
    (folder / METADATA).write_text(json.dumps(metadata(SampleOptions())))
    (folder / FINGERPRINT).write_bytes(b"")
    sampler = Sampler(network, shape, Sampling("euler", nb_step=1), labels)
    return convert(sampler.evaluate, str(folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "labels", "changes"),
    [
        ("digits", LABELS, {"channels": (8, 16), "blocks": 1, "norm_groups": 4}),
        ("digits", [], {}),
        ("fashion_mnist", LABELS, {}),
        ("emoji32", LABELS, {}),
        # The conversion of a larger network takes more memory than a test should: the last one is
        # narrower than that of its preset. That of flowers102 is the one of emoji.
        ("emoji", LABELS, {"channels": (8, 16, 32, 32), "norm_groups": 4}),
    ],
)
def test_the_networks_of_presets_compute_the_same_in_onnx(preset, labels, changes, tmp_path):
    network, shape = preset_network(preset, "float32", len(labels), **changes)
    feed = inputs(shape, len(labels))
    expected = evaluate(network, feed)
    assert np.abs(expected).max() > 0.1
    assert distance(run(export(network, shape, labels, tmp_path), feed), expected) <= 1e-5


def test_the_network_of_a_student_computes_the_same_in_onnx(tmp_path):
    options = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    shape = (8, 8, 3)
    wider = small_network.build_unet(options, shape, nb_class=2, source_channels=1)
    student = take_steps(within_range(randomize(wider, 0.5)), (0.0, 0.25, 0.5, 0.75, 1.0))
    feed = inputs(shape, 2, count=16)
    expected = evaluate(student, feed)
    points_at = feed["x_alpha"] + (1 - feed["alpha"])[:, None, None, None] * expected
    assert np.mean(np.abs(points_at) > 0.9999) > 0.1 < np.mean(np.abs(points_at) < 0.9)
    assert distance(run(export(student, shape, LABELS, tmp_path), feed), expected) <= 1e-5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A conditional model, without a network beside it."""
    folder = tmp_path_factory.mktemp("model")
    arguments = {"solver": "heun", "grid": "late", "guidance": 2.0}
    write_sampler(folder, labels=LABELS, **arguments)
    return folder


@pytest.fixture(scope="module")
def converted(model):
    """The network of the model as ONNX."""
    return convert_saved_model(str(model))


def test_a_saved_model_is_converted_as_its_training_would(converted, tmp_path):
    write_with_network(tmp_path, labels=LABELS)
    feed = inputs((8, 8, 1), len(LABELS), count=5)
    found = run(converted, feed)
    np.testing.assert_allclose(found, run((tmp_path / NETWORK).read_bytes(), feed), atol=1e-6)


def test_the_file_says_how_images_are_made_with_it(converted):
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    entries = session.get_modelmeta().custom_metadata_map
    about = json.loads(entries[network_file.METADATA])
    assert len(about.pop("fingerprint")) == 64
    assert about == {
        "solver": "heun",
        "grid": "late",
        "nb_step": 3,
        "guidance": 2.0,
        "labels": LABELS,
        "fixed_steps": False,
        "noise": "tf.random.stateless_normal(shape, [seed, 0], alg='philox')",
    }


def test_any_number_of_rows_is_computed_also_none(converted):
    for count in (0, 1, 7):
        assert run(converted, inputs((8, 8, 1), 2, count)).shape == (count, 8, 8, 1)


class Foreign(tf.Module):
    """A sampler that keeps its network to itself."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def generate(self, seed):
        return {"image": tf.zeros([len(seed), 8, 8, 1], tf.uint8)}


@pytest.mark.parametrize("what", ["foreign", "damaged", "unknown", "translator", "metadata"])
def test_a_model_that_cannot_be_exported_is_an_error_of_one_line(what, model, tmp_path):
    if what == "foreign":
        module = Foreign()
        tf.saved_model.save(module, str(tmp_path), signatures={"generate": module.generate})
        expected = "has no network to export: iadb did not train it"
    elif what == "damaged":
        (tmp_path / "saved_model.pb").write_bytes(b"junk")
        expected = "does not load as a SavedModel"
    elif what == "unknown":
        shutil.copytree(model, tmp_path, dirs_exist_ok=True)
        (tmp_path / METADATA).write_text("{}")
        expected = "does not say how the model samples"
    elif what == "metadata":
        shutil.copytree(model, tmp_path, dirs_exist_ok=True)
        (tmp_path / METADATA).write_text('{"nb_step": 4')
        expected = r"iadb.json is damaged \(Expecting .*\); export another version$"
    else:
        shutil.copytree(model, tmp_path, dirs_exist_ok=True)
        (tmp_path / METADATA).write_text('{"source": {"degrade": "gray"}}')
        expected = "translates images: only networks that draw them are exported"
    with pytest.raises(ValueError, match=expected) as error:
        convert_saved_model(str(tmp_path))
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)
