import itertools
import subprocess
import sys

import pytest

from components.resolvers.choice import (
    Blessing,
    choosable,
    order_blessed,
    to_compare_with,
    to_start_from,
)


def test_models_come_in_the_order_of_their_first_blessings_with_the_latest_one():
    blessings = [
        Blessing(13, 1, True),
        Blessing(14, 2, True),
        Blessing(11, 1, False),
        Blessing(12, 2, True),
        Blessing(15, 3, False),
    ]
    assert list(order_blessed({1, 2, 3}, blessings).items()) == [(2, 14), (1, 13)]


def test_a_rejection_does_not_take_back_a_blessing():
    assert order_blessed({1}, [Blessing(11, 1, True), Blessing(12, 1, False)]) == {1: 11}


def test_a_model_that_may_not_be_chosen_is_left_out():
    assert order_blessed({2}, [Blessing(11, 1, True), Blessing(12, 2, True)]) == {2: 12}


def test_a_candidate_is_not_compared_with_itself():
    assert to_compare_with([1, 2, 3], {3}) == [1, 2]
    assert to_compare_with([1, 2], {3}) == [1, 2]


def test_a_training_does_not_start_from_a_model_of_its_own_examples():
    examples = {1: {10}, 2: {11}, 3: {10, 12}}
    assert to_start_from([1, 2, 3], examples, {10}) == [2]
    assert to_start_from([1, 2, 3], examples, {13}) == [1, 2, 3]


@pytest.mark.parametrize("trained_on", itertools.product(([], [10], [11], [10, 11]), repeat=3))
@pytest.mark.parametrize("count", range(4))
def test_choosable_are_the_choices_of_every_possible_run(count, trained_on):
    blessed = [1, 2, 3][:count]
    examples = {model: set(trained_on[model - 1]) for model in blessed}
    choices = [to_compare_with(blessed, {candidate}) for candidate in [*blessed, 4]]
    choices += [to_start_from(blessed, examples, {current}) for current in (10, 11, 12)]
    assert choosable(blessed, examples) == {choice[-1] for choice in choices if choice}


def test_neither_tensorflow_nor_tfx_is_imported():
    command = (
        "import sys, components.resolvers.choice; print({'tensorflow', 'tfx'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert found.stdout == "set()\n"
