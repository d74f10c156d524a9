"""Requests that choose solver and guidance, against models that were exported with them."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.serve.versions import Version
from tests.exported_models import (
    make_sampler,
    make_translator,
    write_sampler,
    write_translator,
)
from trainer.source.options import Source

PREDICT = "/v1/models/iadb:predict"
HEUN = {"solver": np.array(b"heun", object), "guidance": np.array(2.5)}
STEPS = np.array(5, np.int32)
RNG = np.random.default_rng(0)
X0 = RNG.normal(size=(3, 8, 8, 1)).astype(np.float32)
IMAGE = RNG.integers(0, 256, (3, 8, 8, 1), np.uint8)
SEED = np.array([4, 5, 6])


COLOR = (8, 8, 3)  # shape of the images of the models that translate
SOURCES = {
    "condition": Source(degrade="mask box"),
    "map": Source(degrade="gray", use="map", noise=0.5),
}


def strings(*values):
    return np.array(values, object)


LABEL = strings(b"3", b"", b"7")


@pytest.fixture(scope="module")
def version(conditional_sampler):
    """A model with Euler's method and no guidance."""
    return Version(conditional_sampler, 1)


@pytest.fixture(scope="module")
def guided(shared):
    """The same network with what HEUN chooses."""
    return Version(
        shared(
            "served-guided",
            lambda folder: write_sampler(folder, labels=["3", "7"], solver="heun", guidance=2.5),
        ),
        1,
    )


@pytest.fixture(scope="module")
def translating(tmp_path_factory):
    """Models that translate with Euler's method, by the name of their source."""

    @functools.cache
    def make(name):
        folder = tmp_path_factory.mktemp("translating") / "1"
        write_translator(folder, SOURCES[name], COLOR, solver="euler")
        return Version(folder, 1)

    return make


OF_MODEL = {"autoguidance": 2.0}


@pytest.fixture(scope="module")
def autoguided(tmp_path_factory):
    """A model with Euler's method and autoguidance."""
    folder = tmp_path_factory.mktemp("autoguided") / "1"
    write_sampler(folder, solver="euler", **OF_MODEL)
    return Version(folder, 1)


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        tolerance = 1 if array.dtype == np.uint8 else 1e-5
        difference = found[name].astype(np.float64) - array
        assert np.max(np.abs(difference), initial=0) <= tolerance


def outputs(model, signature, inputs):
    """What a model computes that is not written: its export computes the same."""
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    function, _ = model.signatures()[signature]
    return {name: each.numpy() for name, each in function(**tensors).items()}


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("generate", {"seed": SEED}),
        ("trajectory", {"seed": SEED}),
        ("transport", {"x0": X0}),
        ("invert", {"image": IMAGE}),
    ],
)
def test_a_choice_gives_what_a_model_exported_with_it_gives(version, guided, signature, inputs):
    inputs = {**inputs, "nb_step": STEPS, "label": LABEL}
    chosen = version.call(signature, {**inputs, **HEUN})
    assert_close(chosen, guided.call(signature, inputs))
    own = version.call(signature, inputs)
    assert any(np.any(chosen[name] != own[name]) for name in own)


@pytest.mark.slow
def test_a_choice_keeps_the_autoguidance_of_a_model_that_translates(tmp_path):
    source = Source(degrade="gray")
    write_translator(tmp_path / "1", source, solver="euler", autoguidance=2.0)
    inputs = {"seed": SEED, "nb_step": STEPS, "source": IMAGE}
    chosen = Version(tmp_path / "1", 1).call("translate", {**inputs, "solver": HEUN["solver"]})
    guided, alone = (
        outputs(make_translator(source, solver="heun", **how), "translate", inputs)
        for how in ({"autoguidance": 2.0}, {})
    )
    assert_close(chosen, guided)
    assert np.any(chosen["image"] != alone["image"])


@pytest.mark.slow
def test_a_choice_leads_back_to_sources_of_full_contrast(translating):
    inputs = {"image": np.repeat(IMAGE, 3, axis=-1), "nb_step": STEPS}
    chosen = translating("map").call("invert", {**inputs, "solver": HEUN["solver"]})
    heun = make_translator(SOURCES["map"], COLOR, solver="heun")
    assert_close(chosen, outputs(heun, "invert", inputs))


@pytest.mark.slow
def test_a_choice_keeps_the_autoguidance_of_the_model(autoguided):
    inputs = {"seed": SEED, "nb_step": STEPS}
    chosen = autoguided.call("generate", {**inputs, "solver": HEUN["solver"]})
    both = make_sampler(solver="heun", **OF_MODEL)
    assert_close(chosen, outputs(both, "generate", inputs))
    without = outputs(make_sampler(solver="heun"), "generate", inputs)
    assert np.any(chosen["image"] != without["image"])


def test_the_models_own_choice_is_called_in_its_graph(version, monkeypatch):
    monkeypatch.setattr("trainer.serving.solving.solve", None)
    inputs = {"seed": SEED, "nb_step": STEPS, "label": LABEL}
    own = {"solver": np.array(b"euler", object), "guidance": np.array(1.0)}
    assert_close(version.call("generate", {**inputs, **own}), version.call("generate", inputs))


def test_no_images_are_chosen_too(version):
    inputs = {"seed": SEED[:0], "nb_step": STEPS, "label": LABEL[:0], **HEUN}
    assert version.call("generate", inputs)["image"].shape == (0, 8, 8, 1)


def test_rest_takes_a_choice(conditional, guided):
    inputs = {"seed": SEED.tolist(), "nb_step": 5, "label": ["3", "", "7"]}
    body = {"inputs": {**inputs, "solver": "heun", "guidance": 2.5}, "signature_name": "generate"}
    status, _, answer = conditional.ask(PREDICT, body)
    assert status == 200, answer
    expected = guided.call("generate", {"seed": SEED, "nb_step": STEPS, "label": LABEL})["image"]
    assert np.max(np.abs(np.array(answer["outputs"]) - expected.astype(int))) <= 1


def test_the_limits_count_network_evaluations(version, conditional):
    signature = version.signatures["generate"]
    for choice, cost in (({}, 1), ({"solver": np.array(b"rk4", object)}, 4), (HEUN, 4)):
        inputs = {"nb_step": np.array(100, np.int32), **choice}
        assert version.steps(signature, inputs) == 100 * cost
        assert version.most_rows(signature, inputs) == min(16_384 // (100 * cost), 256)
    body = {"seed": [0] * 60, "label": [""] * 60, "nb_step": 100, "solver": "heun", "guidance": 2}
    answer = conditional.ask(PREDICT, {"signature_name": "generate", "inputs": body})
    assert answer[0] == 400
    assert "60 images in 400 steps: one request may ask for at most 40 images" in answer[2]["error"]


def test_a_cheaper_solver_gets_no_more_steps(guided):
    inputs = {"nb_step": STEPS, "solver": np.array(b"euler", object), "guidance": np.array(1.0)}
    assert guided.steps(guided.signatures["generate"], inputs) == 5


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (
            {"solver": "nope\n<b>"},
            "solver: expected euler, midpoint, heun, rk4; ",
        ),
        ({"solver": 5}, "solver: expected strings"),
        ({"solver": ["heun", "rk4"]}, "solver: expected shape [], got [2]"),
        ({"guidance": -1}, "guidance: expected 0 to 1000; got -1.0"),
        ({"guidance": 1e39}, "guidance: expected 0 to 1000; got 1e+39"),
        ({"guidance": 1e999}, "guidance: expected 0 to 1000; got inf"),
        ({"seed": [], "label": [], "solver": "heun", "nb_step": 10**6}, "one request may ask for"),
        ({"guidance": "2"}, "guidance: expected a number"),
        ({"solver": "heun", "nb_step": 0}, "nb_step must be at least 1"),
        ({"solver": "heun", "label": ["8"]}, "3, 7"),
        ({"solver": "heun", "label": ["3", "7"]}, "as many rows"),
    ],
)
def test_a_wrong_choice_is_explained_in_one_line(conditional, choice, text):
    inputs = {"seed": [5], "nb_step": 3, "label": ["3"], **choice}
    body = {"signature_name": "generate", "inputs": inputs}
    status, _, answer = conditional.ask(PREDICT, body)
    assert status == 400
    assert text in answer["error"]
    assert "\n" not in answer["error"]


@pytest.mark.slow
def test_without_classes_there_is_no_guidance(server):
    inputs = {"seed": [5], "nb_step": 3, "guidance": 2}
    body = {"signature_name": "generate", "inputs": inputs}
    assert server.ask(PREDICT, body)[2]["error"] == (
        "unknown input guidance; generate takes nb_step, seed, solver"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_a_model_that_translates_takes_a_choice_and_reads_sources(translating, name):
    euler = translating(name)
    rk4 = make_translator(SOURCES[name], COLOR, solver="rk4")
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 200, (9, 12, 4), np.uint8)).save(file, "PNG")
    files = {"image_bytes": strings(file.getvalue())}
    read = euler.call("read_source", files)["source"]
    assert read.shape == (1, *euler.source_shape)
    inputs = {"source": read, "seed": SEED[:1], "nb_step": np.array(3, np.int32)}
    (served,) = euler.call("serving_default", {**files, "seed": SEED[:1]})["image_bytes"]
    translated = euler.call("translate", inputs)["image"][0]
    np.testing.assert_array_equal(tf.io.decode_png(served), translated)
    for signature in ("translate", "trajectory"):
        chosen = euler.call(signature, {**inputs, "solver": np.array(b"rk4", object)})
        assert_close(chosen, outputs(rk4, signature, inputs))
