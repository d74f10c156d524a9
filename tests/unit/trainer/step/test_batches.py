import numpy as np
import pytest
import tensorflow as tf

from trainer.step.batches import unpack

X0, X1, LABEL = tf.zeros([4, 2]), tf.ones([4, 2]), tf.range(4)


@pytest.mark.parametrize(
    ("data", "with_x0"),
    [(X1, False), ((X1,), False), ((X1, None, None), False), ((X0, X1), True)],
)
def test_a_batch_is_x1_or_a_pair_also_as_keras_passes_it(data, with_x0):
    batch = unpack(data, rank=2, nb_class=0)
    np.testing.assert_array_equal(batch.x1, X1)
    assert (batch.x0 is not None) == with_x0


@pytest.mark.parametrize("keras_adds", [(), (None, None)])
def test_a_dictionary_has_the_label_beside_x1(keras_adds):
    data = {"x1": X1, "label": LABEL}
    batch = unpack((data, *keras_adds) if keras_adds else data, rank=2, nb_class=4)
    np.testing.assert_array_equal(batch.x1, X1)
    np.testing.assert_array_equal(batch.label, LABEL)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (((X0, X1),), "pass pairs as fit"),
        (({"x1": X1}, X1), "pass pairs as fit"),
        ({"x0": X0}, "a dictionary with x1"),
        ((X0, X1, LABEL), "leave out sample_weight"),
        ((X1, None, LABEL), "leave out sample_weight"),
    ],
)
def test_parts_that_have_no_place_are_rejected(data, error):
    with pytest.raises(ValueError, match=error):
        unpack(data, rank=2, nb_class=0)
