"""Students of teachers whose paths are known."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import small_network
from trainer.iadb import IADBModel, Sampling, Training
from trainer.networks.step_length import take_steps
from trainer.networks.within_range import within_range
from trainer.ode.field import GuidedField
from trainer.ode.guidance import Guidance
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.step.batches import unpack
from trainer.step.path import Draws, draw_for
from trainer.student import build
from trainer.student.mean_flow import MeanFlowModel

SHAPE = (2, 2, 1)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.choice([-0.8, 0.8], size=(256, *SHAPE)).astype(np.float32)


class Slope(keras.layers.Layer):
    """A known slope, k x, whose paths are x(alpha) = x(0) exp(k alpha); k = 1 + label."""

    def call(self, x, alpha, label=None):
        growth = 1.0 if label is None else 1.0 + tf.cast(label, tf.float32)
        return x * tf.reshape(growth * tf.ones_like(alpha), [-1, 1, 1, 1])


def known(nb_class=0, guidance=1.0):
    inputs = [keras.Input(SHAPE), keras.Input(())]
    if nb_class:
        inputs.append(keras.Input((), dtype="int64"))
    network = keras.Model(inputs, Slope()(*inputs))
    return GuidedField(network, nb_class, guidance=Guidance(label=guidance))


def perceptron(nb_class=0, width=64):
    """A network that can learn mean slopes of points: of each pixel by itself."""
    inputs = [keras.Input((*SHAPE[:2], 2)), keras.Input(())]
    time = keras.layers.RepeatVector(4)(keras.layers.Reshape((1,))(inputs[1]))
    parts = [inputs[0], keras.layers.Reshape((2, 2, 1))(time)]
    if nb_class:
        inputs.append(keras.Input((), dtype="int64"))
        label = keras.layers.Embedding(nb_class + 1, 4)(inputs[2])
        parts.append(keras.layers.Reshape((2, 2, 4))(keras.layers.RepeatVector(4)(label)))
    x = keras.layers.Concatenate()(parts)
    for _ in range(2):
        x = keras.layers.Dense(width, activation="silu")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def student_of(teacher, steps=(0.0, 1.0), **options):
    keras.utils.set_random_seed(0)
    network, options = perceptron(teacher.nb_class), {"nb_class": teacher.nb_class, **options}
    student = MeanFlowModel(network, teacher=teacher, alphas=steps, **options)
    student.compile(optimizer=keras.optimizers.Adam(5e-3))
    return student


def fit(student, epochs, **rows):
    data = tf.data.Dataset.from_tensor_slices({"x1": IMAGES, **rows}).repeat().batch(64)
    student.fit(data, steps_per_epoch=100, epochs=epochs, verbose=0)


@pytest.fixture(scope="module")
def trained():
    student = student_of(known())
    fit(student, 5)
    return student


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_step_of_any_length_ends_where_the_path_of_the_teacher_does(trained, steps):
    x = RANDOM.normal(size=(64, *SHAPE)).astype(np.float32)
    network = take_steps(trained.network, [i / steps for i in range(steps + 1)])
    found = tf.constant(x)
    for i in range(steps):
        found += network([found, tf.fill([64], i / steps)]) / steps
    error = np.sqrt(np.mean((found - np.e * x) ** 2))
    by_euler = abs((1 + 1 / steps) ** steps - np.e) * np.sqrt(np.mean(x**2))
    assert error < (0.3 if steps < 5 else 0.8) * by_euler


def test_it_draws_by_the_steps_of_its_grid(trained):
    x = RANDOM.normal(size=(8, *SHAPE)).astype(np.float32)
    length = np.ones((8, 2, 2, 1), np.float32)
    slope = trained.network([np.concatenate([x, length], -1), np.zeros(8, np.float32)])
    np.testing.assert_allclose(trained.transport(x, 1), x + slope, atol=1e-5)


def test_the_held_out_loss_is_the_distance_of_both_steps(trained):
    untrained = student_of(known())
    before, alpha = untrained.held_out_losses(tf.constant(IMAGES[:16]))
    after, _ = trained.held_out_losses(tf.constant(IMAGES[:16]))
    assert np.mean(after) < 0.05 * np.mean(before)
    np.testing.assert_array_equal(alpha, np.zeros(16))
    noise = draw_for(tf.constant(IMAGES[:16]), 0).noise
    expected = (np.e - 1) * noise - (trained.transport(noise, 1) - noise)
    np.testing.assert_allclose(after, np.mean(expected**2, axis=(1, 2, 3)), atol=0.01)


def test_the_held_out_loss_is_measured_at_all_steps_of_the_grid():
    student = student_of(known(), steps=(0.0, 0.25, 1.0))
    _, alpha = student.held_out_losses(tf.constant(IMAGES[:6]))
    np.testing.assert_allclose(alpha, [0.0, 0.0, 0.0, 0.25, 0.25, 0.25])
    alone = [float(student.held_out_losses(tf.constant(each[None]))[1][0]) for each in IMAGES[:16]]
    assert set(alone) == {0.0, 0.25}


def test_steps_begin_and_end_on_the_way_and_differ_from_step_to_step():
    student = student_of(known())
    _, begin, _, length = student.draw(tf.constant([1000, *SHAPE]))
    assert np.min(begin) >= 0 and np.min(length) >= 0 and np.max(begin + length) <= 1
    assert np.max(length) > 0.7
    to_image = np.isclose(begin + length, 1, atol=1e-6)
    assert np.mean(to_image) == pytest.approx(0.25, abs=0.05)
    ends = np.concatenate([begin[~to_image], (begin + length)[~to_image]])
    logits = np.log(ends / (1 - ends))
    assert np.mean(logits) == pytest.approx(0.4, abs=0.15)
    assert np.std(logits) == pytest.approx(1.3, abs=0.1)
    np.testing.assert_array_equal(student.draw(tf.constant([1000, *SHAPE])).length, length)
    student.step.assign(1)
    assert not np.array_equal(student.draw(tf.constant([1000, *SHAPE])).alpha, begin)


@pytest.mark.parametrize(("length", "of_teacher"), [(0.1, 1.0), (0.2, 0.625), (0.8, 0.25)])
def test_the_teacher_leads_a_short_step_to_its_end_and_the_student_a_long_one(length, of_teacher):
    model = student_of(known())
    x, alpha = tf.constant(IMAGES[:8]), tf.fill([8], 0.1)
    drawn = Draws(noise=x, alpha=alpha, unlabeled=None, length=tf.fill([8], length))
    (inputs, _), slope, _ = model.lesson(unpack(x, 4, 0), drawn)  # between x and itself
    first = of_teacher * length
    by_teacher = (1 + first / 2) * x  # a midpoint step
    rest = tf.fill([8, 2, 2, 1], length - first)
    there = tf.concat([x + first * by_teacher, rest], -1)
    by_student = model.network([there, alpha + first])
    np.testing.assert_allclose(slope, of_teacher * by_teacher + (1 - of_teacher) * by_student, 1e-4)
    np.testing.assert_allclose(inputs[..., 1], length)


@pytest.mark.slow
def test_it_learns_the_guided_slopes_of_each_label():
    guided = known(nb_class=2, guidance=2.0)
    student = student_of(guided, training=Training(label_dropout=0.0))
    fit(student, 6, label=np.arange(256) % 2)
    x = RANDOM.normal(size=(64, *SHAPE)).astype(np.float32)
    ones = np.ones(64, np.int64)
    # Of slopes (1 + label) x and 3 x without a label: 2 (1 + label) - 3.
    for label, growth in ((0, -1.0), (1, 1.0)):
        found = student.transport(x, 1, label * ones)
        error = np.mean((found - np.exp(growth) * x) ** 2)
        assert error < 0.1 * np.mean((np.exp(growth) * x - x) ** 2)


def test_it_cannot_be_saved_by_keras(tmp_path):
    with pytest.raises(ValueError, match="Keras cannot save a student"):
        student_of(known()).save(tmp_path / "model.keras")


def test_the_weights_of_the_teacher_are_not_those_of_the_student():
    teacher = IADBModel(
        small_network.build_unet(ModelOptions(channels=(32,), attention=(False,)), SHAPE)
    )
    student = student_of(teacher.field)
    assert len(student.trainable_variables) == len(student.network.trainable_variables)


def test_at_first_its_slopes_are_those_of_its_teacher_within_range(monkeypatch):
    monkeypatch.setattr(build, "build_unet", small_network.build_unet)
    options = ModelOptions(channels=(32,), attention=(False,))
    keras.utils.set_random_seed(3)
    teacher = IADBModel(small_network.build_unet(options, SHAPE, nb_class=2), nb_class=2)
    sample = SampleOptions(solver="euler", nb_step=4, grid="late")
    student = build.student_of(teacher.field, options, TrainOptions(), sample, SHAPE)
    x, label = IMAGES[:6], np.arange(6) % 3
    draw = functools.partial(IADBModel.transport, x0=x, nb_step=4, label=label)
    np.testing.assert_allclose(draw(student), teacher_on(teacher, "late", x, label), atol=1e-5)


@pytest.mark.parametrize(
    ("guidance", "autoguidance", "bent"), [(1.0, 1.0, True), (2.0, 1.0, False), (1.0, 2.0, False)]
)
def test_a_student_of_a_guided_teacher_may_point_beyond_the_range(
    monkeypatch, guidance, autoguidance, bent
):
    monkeypatch.setattr(build, "build_unet", small_network.build_unet)
    options = ModelOptions(channels=(32,), attention=(False,))
    network = small_network.build_unet(options, SHAPE, nb_class=2)
    teacher = GuidedField(network, 2, guidance=Guidance(guidance, autoguidance))
    student = build.student_of(teacher, options, TrainOptions(), SampleOptions(nb_step=4), SHAPE)
    assert ("within_range" in {layer.name for layer in student.network.layers}) == bent
    assert student.to_image == (0.25 if bent else 0.0)


def teacher_on(teacher, grid, x, label):
    network = within_range(teacher.network)
    same = IADBModel(network, nb_class=2, sampling=Sampling("euler", grid))
    return same.transport(x, 4, label)
