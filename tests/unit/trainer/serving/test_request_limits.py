"""What the signatures of the exported sampler reject, and what they answer to an empty request."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.small_network import build_unet
from trainer.labels import LabelEncoder
from trainer.ode.options import LimitOptions
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions
from trainer.serving.sampler import Sampler
from trainer.serving.stored_model import reason

SHAPE = (4, 4, 1)
LABELS = ["cat", "dog"]
LIMITS = LimitOptions(images=32, nb_step=16, states=256)
SIGNATURES = ["serving_default", "generate", "transport", "invert", "trajectory", "deblend"]
WITH_STEPS = ["generate", "transport", "invert", "trajectory"]


def load(folder, solver, labels=()):
    keras.utils.set_random_seed(0)
    options = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)
    network = build_unet(options, (4, 4, 1), nb_class=len(labels))
    sampler = Sampler(network, SHAPE, Sampling(solver, nb_step=16), labels, limits=LIMITS)
    sampler.save(str(folder), {"nb_step": 16})
    return tf.saved_model.load(str(folder)).signatures


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    return load(tmp_path_factory.mktemp("model"), "euler")


def inputs(signature, count, nb_step=2, labels=()):
    images = [count, *SHAPE]
    given = {
        "transport": {"x0": tf.zeros(images)},
        "invert": {"image": tf.zeros(images, tf.uint8)},
        "deblend": {"x_alpha": tf.zeros(images), "alpha": tf.zeros([count])},
    }.get(signature, {"seed": tf.range(count, dtype=tf.int64)})
    if signature in WITH_STEPS:
        given["nb_step"] = tf.constant(nb_step)
    return given | ({"label": tf.fill([count], "")} if labels else {})


def call(signatures, name, given):
    (answer,) = signatures[name](**given).values()
    return answer.numpy()


@pytest.mark.parametrize("name", SIGNATURES)
def test_too_many_images_are_an_error_that_names_the_limit(signatures, name):
    assert len(call(signatures, name, inputs(name, 32))) == 32
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most 32 images.*33") as error:
        call(signatures, name, inputs(name, 33))
    assert "sample.limits.images" in str(error.value)


@pytest.mark.parametrize("name", WITH_STEPS)
def test_too_many_steps_are_an_error_that_names_the_limit(signatures, name):
    assert len(call(signatures, name, inputs(name, 1, nb_step=16))) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most 16 nb_step.*17"):
        call(signatures, name, inputs(name, 1, nb_step=17))


@pytest.mark.parametrize("name", WITH_STEPS)
def test_images_times_steps_are_limited_where_a_request_sets_the_steps(signatures, name):
    assert len(call(signatures, name, inputs(name, 32, nb_step=8))) == 32
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most 256 states.*288"):
        call(signatures, name, inputs(name, 32, nb_step=9))
    assert len(call(signatures, "serving_default", inputs("serving_default", 32))) == 32


@pytest.mark.parametrize("name", ["generate", "transport", "invert", "trajectory"])
def test_the_largest_numbers_are_rejected_before_anything_is_allocated(signatures, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match="one request may ask for at most"):
        call(signatures, name, inputs(name, 32, nb_step=2**31 - 2))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("name", "key"), [("transport", "x0"), ("deblend", "x_alpha"), ("deblend", "alpha")]
)
def test_a_value_that_is_not_finite_is_an_error_that_names_the_input(signatures, name, key, value):
    given = inputs(name, 2)
    flat = np.zeros(given[key].shape, np.float32).ravel()
    flat[-1] = value
    given[key] = tf.constant(flat.reshape(given[key].shape))
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{key} contains NaN or infinity"):
        call(signatures, name, given)


def test_deblend_needs_one_alpha_per_image(signatures):
    given = inputs("deblend", 3) | {"alpha": tf.zeros([1])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="one alpha per image"):
        call(signatures, "deblend", given)


@pytest.mark.parametrize(
    ("solver", "labels"), [("heun", []), pytest.param("rk4", LABELS, marks=pytest.mark.slow)]
)
def test_an_empty_request_gets_an_empty_answer(tmp_path, solver, labels):
    signatures = load(tmp_path, solver, labels)
    answers = {name: call(signatures, name, inputs(name, 0, 2, labels)) for name in SIGNATURES}
    assert {name: answer.shape for name, answer in answers.items()} == {
        **dict.fromkeys(SIGNATURES, (0, *SHAPE)),
        "serving_default": (0,),
        "trajectory": (0, 3, *SHAPE),
    }


@pytest.mark.parametrize(
    ("names", "asked", "said"),
    [
        (["cat", "dog"], ["x", "y"], "unknown label; known: cat, dog; empty for none; got x y"),
        (["a [old]", "b"], ["zz"], "unknown label; known: a [old], b; empty for none; got zz"),
        (["7", "8"], ["9"], "unknown label; known: 7, 8; empty for none; got 9"),
    ],
)
def test_an_unknown_label_is_named_with_those_that_are_known(names, asked, said):
    encode = tf.function(LabelEncoder(names).__call__)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        encode(tf.constant(asked))
    assert reason(str(error.value)) == said
