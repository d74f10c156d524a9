import functools
import json
import shutil
import sys

import numpy as np
import onnx
import pytest
import tensorflow as tf

from tests.exported_models import write_with_network
from trainer.light.network_file import NetworkFileError, seal
from trainer.light.sampler import LightSampler, has_network
from trainer.names import FINGERPRINT, NETWORK

LABELS = ["cat", "äpfel"]
SEEDS = np.array([0, 1, 2**40, -5])
MODELS = {
    "euler": {},
    "midpoint": {"solver": "midpoint"},
    "rk4": {"solver": "rk4", "grid": "late"},
    "conditional": {"labels": LABELS, "solver": "heun", "grid": "late"},
    "guided": {"labels": LABELS, "guidance": 2.5},
    "autoguided in the middle": {"autoguidance": 3.0, "autoguidance_interval": (0.2, 0.8)},
    "guided twice": {"labels": LABELS, "guidance": 1.5, "autoguidance": 2.0},
    "rectangle": {"shape": (6, 10, 3)},
}
QUICK = ("euler", "conditional")  # to write all others takes 20 seconds


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """A function: name -> the folder of that model, which is written once."""

    @functools.cache
    def write_once(name):
        folder = tmp_path_factory.mktemp(name)
        write_with_network(folder, **MODELS[name])
        return folder

    return write_once


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS]
)
def model(request, write):
    return write(request.param)


@pytest.fixture(scope="module")
def plain(write):
    """A model to copy from."""
    return write("euler")


def test_images_and_trajectories_are_those_of_the_model_within_one_gray_level(model):
    light, signatures = LightSampler(model), tf.saved_model.load(str(model)).signatures
    takes_label = "label" in signatures["generate"].structured_input_signature[1]
    for label in ("", *LABELS) if takes_label else ("",):
        for name, draw in (("generate", light.generate), ("trajectory", light.trajectory)):
            labels = {"label": tf.fill([len(SEEDS)], label)} if takes_label else {}
            inputs = {"seed": tf.constant(SEEDS), "nb_step": tf.constant(7), **labels}
            (expected,) = signatures[name](**inputs).values()
            found = draw(SEEDS, 7, [label] * len(SEEDS))
            assert (found.shape, found.dtype) == (expected.shape, np.uint8)
            assert np.abs(found.astype(int) - expected.numpy()).max() <= 1
            assert len(np.unique(found)) > 50


def test_labels_and_seeds_make_different_images(model):
    light = LightSampler(model)
    images = light.generate(SEEDS, 3, [""] * len(SEEDS))
    assert len({image.tobytes() for image in images}) == len(SEEDS)
    if model.name.startswith(("conditional", "guided")):
        assert np.any(images != light.generate(SEEDS, 3, ["cat"] * len(SEEDS)))


@pytest.mark.parametrize(
    ("name", "passes"), [("euler", 1), pytest.param("guided", 2, marks=pytest.mark.slow)]
)
def test_the_network_sees_few_images_at_once_whatever_the_batch(write, monkeypatch, name, passes):
    light = LightSampler(write(name))
    expected = light.generate(SEEDS, 3, [""] * len(SEEDS)).astype(int)
    seen = []

    class Session:
        def run(self, outputs, inputs, run=light._session.run):
            seen.append({len(each) for each in inputs.values()})
            return run(outputs, inputs)

    light._session = Session()
    height, width, _ = light._shape
    monkeypatch.setattr("trainer.light.sampler.AT_ONCE", 3 * height * width)
    assert np.abs(light.generate(SEEDS, 3, [""] * len(SEEDS)) - expected).max() <= 1
    rows = len(SEEDS) * passes
    assert all(len(sizes) == 1 for sizes in seen)  # the same rows of each input
    assert max(map(max, seen)) == 3
    assert sum(map(max, seen)) == 3 * rows  # in each of the steps


def read_about(folder):
    """What the network says about its model."""
    return json.loads(onnx.load(folder / NETWORK).metadata_props[0].value)


def change(folder, **changed):
    """Changes what the network says about its model."""
    network = onnx.load(folder / NETWORK)
    network.metadata_props[0].value = json.dumps({**read_about(folder), **changed})
    del network.metadata_props[1]  # the digest
    (folder / NETWORK).write_bytes(seal(network.SerializeToString()))


def test_a_model_without_a_network_has_none(plain, tmp_path):
    assert has_network(plain)
    assert not has_network(tmp_path)


def test_without_onnxruntime_there_is_no_network_to_use(plain, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not has_network(plain)


def test_an_onnxruntime_that_does_not_start_is_an_error_of_one_line(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # its import fails
    with pytest.raises(NetworkFileError, match=r"network.onnx is not used: onnxruntime does not s"):
        LightSampler(plain)


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not ONNX",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + b"\0",
        lambda content: flip(content, len(content) // 2),
        lambda content: flip(content, -1),
    ],
)
def test_a_damaged_network_is_an_error_of_one_line(plain, tmp_path, damage):
    folder = shutil.copytree(plain, tmp_path / "model")
    (folder / NETWORK).write_bytes(damage((plain / NETWORK).read_bytes()))
    with pytest.raises(NetworkFileError, match=r"^\S+network.onnx is damaged$"):
        LightSampler(folder)


def test_a_network_of_another_kind_or_version_is_an_error_of_one_line(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "model")
    (folder / NETWORK).write_bytes(seal(b"not ONNX"))
    with pytest.raises(NetworkFileError, match=r"network.onnx does not load: .+$"):
        LightSampler(folder)
    network = onnx.load(plain / NETWORK)
    network.metadata_props[0].value = '{"grid": "uniform", "labels": []}'
    del network.metadata_props[1]  # the digest
    (folder / NETWORK).write_bytes(seal(network.SerializeToString()))
    with pytest.raises(NetworkFileError, match="is of another version: 'fingerprint'"):
        LightSampler(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"solver": "rk8"}, "solver 'rk8' is unknown; choose from .*"),
        ({"grid": "early"}, "grid 'early' is unknown; choose from .*"),
    ],
)
def test_a_network_that_is_sampled_in_a_later_way_is_an_error_of_one_line(
    plain, tmp_path, changed, message
):
    folder = shutil.copytree(plain, tmp_path / "model")
    change(folder, **changed)
    with pytest.raises(NetworkFileError, match=rf"network.onnx is of another version: {message}$"):
        LightSampler(folder)


def test_the_network_of_another_model_is_an_error(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "model")
    (folder / FINGERPRINT).write_bytes(b"another")
    with pytest.raises(NetworkFileError, match="was exported from another model"):
        LightSampler(folder)


def test_a_network_beside_a_model_without_a_fingerprint_is_an_error_of_one_line(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "model")
    (folder / FINGERPRINT).unlink()
    with pytest.raises(NetworkFileError, match=r"^\S+fingerprint.pb: No such file or directory$"):
        LightSampler(folder)
