from tfx.types.standard_artifacts import Model, ModelBlessing, ModelEvaluation

from components.resolvers.strategies import LatestBlessedOtherStrategy


def model(number):
    artifact = Model()
    artifact.id = number
    return artifact


def blessing(number, of, blessed):
    artifact = ModelBlessing()
    artifact.id = number
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def evaluation(number, of=None):
    artifact = ModelEvaluation()
    artifact.id = number
    if of is not None:
        artifact.set_int_custom_property("current_model_id", of)
    return artifact


def resolve(models, blessings, candidate, evaluations=(), channel="model"):
    inputs = {
        "model": models,
        "blessing": blessings,
        "candidate": [model(candidate)],
        "evaluation": list(evaluations),
    }
    result = LatestBlessedOtherStrategy().resolve_artifacts(None, inputs)
    assert set(result) == set(inputs)
    assert [artifact.id for artifact in result["candidate"]] == [candidate]
    return [artifact.id for artifact in result[channel]]


def test_the_latest_blessed_model_is_the_baseline():
    models = [model(1), model(3), model(2)]
    blessings = [blessing(10 + i, of=i, blessed=True) for i in (1, 2)]
    assert resolve(models, blessings, candidate=3) == [2]


def test_the_candidate_is_never_its_own_baseline():
    models = [model(1), model(2)]
    blessings = [blessing(11, of=1, blessed=True), blessing(12, of=2, blessed=True)]
    assert resolve(models, blessings, candidate=2) == [1]
    assert resolve(models[1:], blessings[1:], candidate=2) == []


def test_models_that_were_not_blessed_do_not_count():
    models = [model(1), model(2), model(3)]
    blessings = [blessing(11, of=1, blessed=True), blessing(12, of=2, blessed=False)]
    assert resolve(models, blessings, candidate=3) == [1]


def test_an_empty_store_has_no_baseline():
    assert resolve([], [], candidate=1) == []


def test_the_history_is_the_latest_evaluation_of_each_blessed_model_but_the_candidate():
    models = [model(i) for i in (1, 2, 3, 4)]
    blessings = [blessing(10 + i, of=i, blessed=i != 2) for i in (1, 2, 3, 4)]
    evaluations = [
        evaluation(26, of=1),
        evaluation(23, of=3),
        evaluation(22, of=2),  # not blessed
        evaluation(21, of=1),  # of the first model again
        evaluation(24, of=4),  # the candidate
        evaluation(25),  # that states no model
    ]
    found = resolve(models, blessings, 4, evaluations, channel="evaluation")
    assert found == [26, 23]
