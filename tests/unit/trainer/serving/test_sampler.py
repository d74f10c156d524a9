import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from pipeline.registry import serving
from tests.exported_models import make_sampler, write_sampler
from tests.small_network import build_unet
from trainer.names import METADATA
from trainer.ode import methods
from trainer.ode.guidance import Guidance
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions
from trainer.serving.exported_network import digest
from trainer.serving.sampler import Sampler
from trainer.step.path import noise_from_seeds

SHAPE = (8, 8, 3)
LABELS = ["baker's", "cat", "dog", "äpfel"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model") / "1")
    options = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    keras.utils.set_random_seed(0)
    network = build_unet(options, (8, 8, 3))
    Sampler(network, SHAPE, Sampling("heun", nb_step=3)).save(folder, {"nb_step": 3})
    return folder


@pytest.fixture(scope="module")
def signatures(saved):
    model = tf.saved_model.load(saved)

    def call(name, **inputs):
        (output,) = model.signatures[name](**inputs).values()
        return output.numpy()

    return call


@pytest.fixture(scope="module")
def sampler():
    """Makes a Sampler with a solver and a network that is far from linear in x and alpha."""
    x = keras.Input(SHAPE)
    alpha = keras.Input(())
    scale = keras.layers.Dense(16)(keras.layers.Reshape([1, 1, 1])(alpha))
    hidden = keras.layers.Conv2D(16, 3, padding="same")(x) + scale
    y = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.Activation("tanh")(hidden))
    network = keras.Model([x, alpha], y)
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.normal(size=w.shape) for w in network.get_weights()])
    return lambda *solver: Sampler(network, SHAPE, Sampling(*solver, nb_step=4))


def test_a_model_with_fixed_steps_takes_these_and_is_not_inverted(tmp_path):
    write_sampler(tmp_path, fixed_steps=True, nb_step=2)
    assert json.loads((tmp_path / METADATA).read_text())["fixed_steps"]
    free, fixed = make_sampler(nb_step=2), tf.saved_model.load(str(tmp_path)).signatures
    assert fixed.keys() == {"serving_default", "generate", "trajectory", "transport", "deblend"}
    x0 = tf.random.stateless_normal([2, 8, 8, 1], [0, 1])
    for name, rows in (
        ("generate", {"seed": seeds(1, 2)}),
        ("trajectory", {"seed": seeds(1, 2)}),
        ("transport", {"x0": x0}),
    ):
        (expected,) = getattr(free, name)(**rows, nb_step=tf.constant(2)).values()
        for nb_step in (1, 2, 7):
            (found,) = fixed[name](**rows, nb_step=tf.constant(nb_step)).values()
            np.testing.assert_allclose(found, expected, atol=1e-5)


def seeds(*numbers):
    return tf.constant(numbers, tf.int64)


def test_an_image_depends_only_on_its_seed(signatures):
    together = signatures("generate", seed=seeds(5, 6, 7), nb_step=4)
    alone = signatures("generate", seed=seeds(6), nb_step=4)
    assert together.shape == (3, *SHAPE)
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 1
    assert np.any(together[0] != together[1])


def test_the_default_signature_returns_png_files_with_the_default_steps(signatures):
    png = signatures("serving_default", seed=seeds(1, 2))
    decoded = [tf.io.decode_png(data).numpy() for data in png]
    np.testing.assert_array_equal(decoded, signatures("generate", seed=seeds(1, 2), nb_step=3))


def test_transport_maps_noise_to_the_image_of_generate(signatures):
    x0 = noise_from_seeds(seeds(3), SHAPE)
    x1 = signatures("transport", x0=x0, nb_step=4)
    image = signatures("generate", seed=seeds(3), nb_step=4)
    np.testing.assert_allclose(np.clip(x1, -1, 1), image / 127.5 - 1, atol=0.5 / 127.5 + 1e-5)


def test_invert_undoes_transport(signatures):
    image = np.random.default_rng(0).integers(0, 256, (2, *SHAPE)).astype(np.uint8)
    x0 = signatures("invert", image=tf.constant(image), nb_step=64)
    x1 = signatures("transport", x0=x0, nb_step=64)
    np.testing.assert_allclose(x1, image / 127.5 - 1, atol=3e-3)


def test_the_trajectory_goes_from_noise_to_the_image(signatures):
    states = signatures("trajectory", seed=seeds(1, 2), nb_step=4)
    assert states.shape == (2, 5, *SHAPE)
    np.testing.assert_array_equal(
        states[:, -1], signatures("generate", seed=seeds(1, 2), nb_step=4)
    )


def test_deblend_evaluates_the_network_at_the_alpha_of_each_row(signatures):
    x_alpha = noise_from_seeds(seeds(1, 2), SHAPE)
    alpha = tf.constant([0.25, 0.75])
    difference = signatures("deblend", x_alpha=x_alpha, alpha=alpha)
    assert difference.shape == (2, *SHAPE)
    alone = signatures("deblend", x_alpha=x_alpha[1:], alpha=alpha[1:])
    np.testing.assert_allclose(difference[1:], alone, atol=1e-5)
    step = signatures("transport", x0=x_alpha, nb_step=1)  # of Heun, from alpha 0 to 1
    first = signatures("deblend", x_alpha=x_alpha, alpha=tf.zeros(2))
    second = signatures("deblend", x_alpha=x_alpha + first, alpha=tf.ones(2))
    np.testing.assert_allclose(x_alpha + (first + second) / 2, step, atol=1e-5)


def test_the_signatures_share_the_network_without_what_its_training_needs(saved):
    file = pathlib.Path(saved, "saved_model.pb")
    message = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    functions = message.meta_graphs[0].graph_def.library.function
    networks = [f for f in functions if any(node.op == "Conv2D" for node in f.node_def)]
    assert len(networks) == 1
    assert not any("Backprop" in node.op for f in functions for node in f.node_def)


def test_the_metadata_are_beside_the_model(saved):
    with tf.io.gfile.GFile(f"{saved}/{METADATA}") as file:
        metadata = json.load(file)
    weights = metadata.pop("weights")
    assert metadata == {"nb_step": 3, "nfe": 6, "limits": LimitOptions().model_dump()}
    model = tf.saved_model.load(saved)
    (file,) = model.signatures["serving_default"](seed=seeds(5))["image_bytes"].numpy()
    assert f'iadb:weights="{weights}"'.encode() in file


@pytest.fixture(scope="module")
def conditional():
    """The network of a conditional model, far from linear in x, alpha and label."""
    options = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    network = build_unet(options, (8, 8, 3), nb_class=len(LABELS))
    rng = np.random.default_rng(0)
    network.set_weights([0.3 * rng.normal(size=w.shape) for w in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def saved_conditional(conditional, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model") / "1")
    sampling = Sampling("heun", nb_step=3, guidance=Guidance(label=2.0))
    Sampler(conditional, SHAPE, sampling, LABELS).save(folder, {"nb_step": 3})
    return folder


@pytest.mark.slow
def test_every_signature_of_a_conditional_model_takes_the_names_of_labels(saved_conditional):
    result = serving.check(pathlib.Path(saved_conditional))
    assert result.returncode == 0, result.stderr[-2000:]


def test_an_image_depends_only_on_its_seed_and_its_label(saved_conditional):
    generate = tf.saved_model.load(saved_conditional).signatures["generate"]

    def draw(seed, *labels):
        inputs = {"seed": seeds(*[seed] * len(labels)), "label": tf.constant(labels)}
        return generate(**inputs, nb_step=tf.constant(3))["image"].numpy().astype(int)

    together = draw(5, "cat", "äpfel", "", "cat")
    for image, label in zip(together, ["cat", "äpfel", "", "cat"], strict=True):
        assert np.abs(image - draw(5, label)[0]).max() <= 1
    assert len({image.tobytes() for image in together}) == 3


def test_an_unknown_label_is_an_error_that_lists_the_known_ones(saved_conditional):
    serve = tf.saved_model.load(saved_conditional).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        serve(seed=seeds(1, 2), label=tf.constant(["cat", "cow"]))
    assert all(name in str(error.value) for name in ("cat, dog, äpfel", "cow"))


def test_the_metadata_of_a_conditional_model_list_its_labels_and_count_both_evaluations(
    saved_conditional,
):
    with tf.io.gfile.GFile(f"{saved_conditional}/{METADATA}") as file:
        metadata = json.load(file)
    assert (metadata["nfe"], metadata["labels"]) == (12, LABELS)


def test_without_a_label_guidance_changes_nothing(conditional):
    def draw(guidance, *labels):
        sampling = Sampling("euler", nb_step=3, guidance=Guidance(label=guidance))
        sampler = Sampler(conditional, SHAPE, sampling, LABELS)
        x0 = noise_from_seeds(seeds(1, 2), SHAPE)
        return sampler.transport(x0, tf.constant(3), tf.constant(labels))["x1"].numpy()

    np.testing.assert_allclose(draw(3.0, "", ""), draw(1.0, "", ""), atol=1e-4)
    assert np.abs(draw(3.0, "cat", "dog") - draw(1.0, "cat", "dog")).max() > 0.05


def test_deblend_uses_the_label_without_guidance(conditional):
    x_alpha = noise_from_seeds(seeds(1, 2), SHAPE)
    alpha = tf.constant([0.25, 0.75])
    sampling = Sampling("euler", nb_step=3, guidance=Guidance(label=3.0))
    sampler = Sampler(conditional, SHAPE, sampling, LABELS)
    found = sampler.deblend(x_alpha, alpha, label=tf.constant(["cat", ""]))["difference"]
    ids = tf.constant([LABELS.index("cat"), len(LABELS)])
    np.testing.assert_allclose(found, conditional([x_alpha, alpha, ids]), atol=1e-5)


@pytest.mark.parametrize("name", methods.SOLVERS)
def test_with_any_solver_an_image_and_its_trajectory_depend_only_on_its_seed(sampler, name):
    draw = sampler(name, "late")
    together = draw.generate(tf.constant(6), seeds(5, 6, 7, 8, 9))["image"].numpy().astype(int)
    for i in range(5):
        alone = draw.generate(tf.constant(6), seeds(5 + i))["image"].numpy()
        assert np.abs(together[i] - alone[0]).max() <= 1
    states = draw.trajectory(tf.constant(6), seeds(9, 5))["trajectory"].numpy()
    assert np.abs(together[[4, 0]] - states[:, -1]).max() <= 1


def test_transport_undoes_invert(sampler):
    draw = sampler("rk4")
    image = np.random.default_rng(0).integers(0, 256, (2, *SHAPE)).astype(np.uint8)
    x0 = draw.invert(tf.constant(image), tf.constant(64))["x0"]
    x1 = draw.transport(x0, tf.constant(64))["x1"]
    assert np.abs(x0 - (image / 127.5 - 1)).max() > 0.5  # it moved
    np.testing.assert_allclose(x1, image / 127.5 - 1, atol=1e-5)


@pytest.fixture(scope="module")
def autoguided(tmp_path_factory):
    """A model that draws with autoguidance, its network and its guide."""
    folder = str(tmp_path_factory.mktemp("autoguided") / "1")
    options = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    keras.utils.set_random_seed(0)
    network, early = build_unet(options, SHAPE), build_unet(options, SHAPE)
    sampling = Sampling("euler", nb_step=3, guidance=Guidance(auto=2.0))
    sampler = Sampler(network, SHAPE, sampling, early=early)
    sampler.save(folder, {"nb_step": 3})
    return folder, network, early


def test_an_autoguided_model_goes_beyond_its_network_away_from_the_early_one(autoguided):
    folder, network, early = autoguided
    model = tf.saved_model.load(folder)
    x = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    alpha = np.float32([0.0, 0.0])
    d, d_early = (each([x, alpha]).numpy() for each in (network, early))
    assert np.abs(d - d_early).max() > 0.1
    call = {name: model.signatures[name] for name in ("deblend", "slope", "transport")}
    alone = call["deblend"](x_alpha=x, alpha=alpha)["difference"]
    np.testing.assert_allclose(alone, d, atol=1e-5)
    slope = call["slope"](x_alpha=x, alpha=alpha)["difference"]
    np.testing.assert_allclose(slope, d_early + 2.0 * (d - d_early), atol=1e-5)
    x1 = call["transport"](x0=x, nb_step=1)["x1"]
    np.testing.assert_allclose(x1, x + slope, atol=1e-5)


def test_an_autoguided_model_counts_the_evaluations_of_both_networks(autoguided, saved):
    folder, network, early = autoguided
    metadata = [json.loads((pathlib.Path(each) / METADATA).read_text()) for each in (folder, saved)]
    assert [each["nfe"] for each in metadata] == [3 * 2, 3 * 2]  # Euler twice, Heun once
    assert metadata[0]["weights"] not in (digest(network), digest(early))


def test_a_model_without_autoguidance_has_no_signature_slope(saved):
    assert "slope" not in tf.saved_model.load(saved).signatures
