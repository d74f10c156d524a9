from tfx.types.standard_artifacts import Model, ModelBlessing

from components.resolvers.strategies import blessed_models
from components.resolvers.withdrawal import WITHDRAWN_PROPERTY


def model(number, withdrawn=False):
    artifact = Model()
    artifact.id = number
    if withdrawn:
        artifact.set_string_custom_property(WITHDRAWN_PROPERTY, "faces without eyes")
    return artifact


def blessing(number, of, blessed=True):
    artifact = ModelBlessing()
    artifact.id = number
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def found(models, blessings):
    return [(m.id, b.id) for m, b in blessed_models(models, blessings).values()]


def test_a_withdrawn_model_does_not_count_as_blessed():
    models = [model(1), model(2, withdrawn=True)]
    assert found(models, [blessing(11, of=1), blessing(12, of=2)]) == [(1, 11)]


def test_a_model_that_a_person_blesses_later_is_the_latest():
    models = [model(1), model(2)]
    blessings = [blessing(11, of=1, blessed=False), blessing(12, of=2), blessing(13, of=1)]
    assert found(models, blessings) == [(2, 12), (1, 13)]


def test_a_second_blessing_does_not_make_a_model_newer():
    models = [model(1), model(2)]
    blessings = [blessing(11, of=1), blessing(12, of=2), blessing(13, of=1)]
    assert found(models, blessings) == [(1, 13), (2, 12)]


def test_a_student_is_neither_a_baseline_nor_a_start():
    student = model(2)
    student.set_int_custom_property("teacher", 1)
    models = [model(1), student]
    assert found(models, [blessing(11, of=1), blessing(12, of=2)]) == [(1, 11)]
