"""Errors of models are explained in one line, as TensorFlow raises them in a graph and outside."""

import pytest
import tensorflow as tf

from trainer.serving.stored_model import reason


def check(value):
    tf.debugging.assert_positive(value, "nb_step must be at least 1")


@pytest.mark.parametrize("call", [check, tf.function(check, autograph=False)])
def test_the_reason_of_a_failed_check_ends_without_spaces(call):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        call(tf.constant(0))
    assert reason(error.value.message) == "nb_step must be at least 1."
