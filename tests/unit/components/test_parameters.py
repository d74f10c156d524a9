import pytest

from components.parameters import ParameterError, complete
from trainer.options import TrainOptions

VALUES = TrainOptions(steps=500, warmup_steps=20).model_dump(mode="json")


def test_a_parameter_replaces_the_value_of_the_configuration():
    options = complete(TrainOptions, VALUES, steps=50)
    assert options == TrainOptions(steps=50, warmup_steps=20)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (0, "steps: got 0; input should be greater than 0"),
        (-5, "steps: got -5; input should be greater than 0"),
        (10, "steps: got 10; warmup_steps=20 must be below steps=10"),
        ("many", "steps: got 'many'; input should be a valid integer"),
    ],
)
def test_an_invalid_parameter_is_reported_in_one_line(steps, message):
    with pytest.raises(ParameterError) as error:
        complete(TrainOptions, VALUES, steps=steps)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
