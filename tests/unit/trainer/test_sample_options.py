from typing import get_args

import pytest
from pydantic import ValidationError

from trainer.ode.runge_kutta import TABLEAUS
from trainer.ode.step_grids import GRIDS
from trainer.options import SampleOptions


def choices(name):
    return set(get_args(SampleOptions.model_fields[name].annotation))


def test_the_options_list_every_solver_and_grid():
    assert choices("solver") == set(TABLEAUS)
    assert choices("grid") == set(GRIDS)


def test_by_default_samples_are_drawn_as_in_the_paper():
    sample = SampleOptions()
    assert (sample.solver, sample.grid) == ("euler", "uniform")


@pytest.mark.parametrize("key", ["rtol", "atol"])
def test_a_tolerance_of_zero_is_rejected(key):
    with pytest.raises(ValidationError, match=key):
        SampleOptions(**{key: 0})
