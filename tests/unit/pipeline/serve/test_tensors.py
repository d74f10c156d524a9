"""Arrays of what requests contain, and what JSON may contain."""

import numpy as np
import pytest

from pipeline.serve import tf_serving
from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import BYTES, Signature, TensorSpec, array_of


def test_strings_take_no_more_memory_than_they_have():
    values = [b"x" * 2**20, *[b"\0"] * 2**14]
    array = array_of("label", values)
    assert array.dtype == BYTES
    assert list(array) == values
    assert array.nbytes < 2**19


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, 2], np.int64), ([1, 2.5], np.float64), ([True], bool), ([], np.float64), (5, np.int64)],
)
def test_numbers_have_their_own_type(values, dtype):
    array = array_of("x", values)
    assert array.dtype == dtype
    assert array.tolist() == values


@pytest.mark.parametrize(
    "values", [[b"a", 1], [[b"a"], [b"b", b"c"]], [b"a", [b"b"]], [[1], [2, 3]], [None], [{}]]
)
def test_mixed_values_and_unequal_lists_are_rejected(values):
    with pytest.raises(RequestError, match="numbers or strings in lists of equal lengths"):
        array_of("x", values)


def translate(sources, seeds):
    inputs = {
        "source": TensorSpec("source", np.dtype(np.uint8), (None, 2, 2, 3)),
        "seed": TensorSpec("seed", np.dtype(np.int64), (None,)),
    }
    given = {"source": np.ones((sources, 2, 2, 3), np.uint8), "seed": np.arange(seeds)}
    return Signature("translate", inputs, {}).check(given)


def test_one_source_is_that_of_all_seeds_and_takes_the_memory_of_one():
    checked = translate(1, 5)
    assert checked["source"].shape == (5, 2, 2, 3)
    assert checked["source"].strides[0] == 0
    assert translate(3, 3)["source"].shape == (3, 2, 2, 3)
    assert translate(1, 0)["source"].shape == (0, 2, 2, 3)


@pytest.mark.parametrize(("sources", "seeds"), [(2, 5), (5, 1), (0, 2)])
def test_other_numbers_of_sources_than_of_seeds_are_rejected(sources, seeds):
    with pytest.raises(RequestError, match=f"as many rows of each input, got {sources} of source"):
        translate(sources, seeds)


def test_lists_in_json_are_nested_at_most_32_deep():
    value = "a"
    for _ in range(32):
        value = [value]
    tf_serving.decode(value)
    with pytest.raises(RequestError, match="nested more than 32 deep"):
        tf_serving.decode([value])


def test_an_answer_in_json_has_at_most_two_million_numbers():
    tf_serving.check_size({"x": np.zeros(2**21, bool)})
    with pytest.raises(RequestError, match="at most 2,097,152 as JSON"):
        tf_serving.check_size({"x": np.zeros(2**21 + 1, bool)})
