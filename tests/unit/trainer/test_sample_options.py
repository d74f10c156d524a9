from typing import get_args

import pytest
from pydantic import ValidationError

from trainer.ode.methods import GRIDS, TABLEAUS
from trainer.ode.options import LimitOptions, SampleOptions
from trainer.options import TrainOptions


def choices(name):
    return set(get_args(SampleOptions.model_fields[name].annotation))


def test_the_options_list_every_solver_and_grid():
    assert choices("solver") == set(TABLEAUS)
    assert choices("grid") == set(GRIDS)


def test_by_default_samples_are_drawn_as_in_the_paper():
    sample = SampleOptions()
    assert (sample.solver, sample.grid) == ("euler", "uniform")


def test_as_many_images_are_allowed_as_every_limit_allows():
    limits = LimitOptions(images=32, nb_step=100, states=256)
    assert [limits.images_of(steps) for steps in (1, 8, 9, 100, 101)] == [32, 32, 28, 2, 0]


@pytest.mark.parametrize("limits", [{"nb_step": 999}, {"states": 999}])
def test_steps_beyond_the_limits_of_a_request_are_rejected(limits):
    with pytest.raises(ValidationError, match=r"nb_step=1000 exceeds limits.*999"):
        SampleOptions(nb_step=1000, limits=limits)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 101])
def test_a_weight_of_autoguidance_beyond_any_use_is_rejected(weight):
    with pytest.raises(ValidationError, match="autoguidance"):
        SampleOptions(autoguidance=weight)


@pytest.mark.parametrize(
    "interval", [(0.8, 0.2), (0.5, 0.5), (-0.1, 1), (0, 1.1), (0, float("nan"))]
)
def test_an_interval_of_autoguidance_that_is_no_part_of_the_way_is_rejected(interval):
    with pytest.raises(ValidationError, match="autoguidance_interval"):
        SampleOptions(autoguidance_interval=interval)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_guide_is_kept_within_the_training(share):
    with pytest.raises(ValidationError, match="guide_after"):
        TrainOptions(guide_after=share)


@pytest.mark.parametrize(
    ("steps", "share", "step"), [(1000, 0.08, 80), (1, 0.08, 1), (1, 0.99, 1), (10, 0.99, 10)]
)
def test_the_guide_is_kept_after_a_share_of_the_steps(steps, share, step):
    assert TrainOptions(steps=steps, warmup_steps=0, guide_after=share).guide_step == step
