"""Tensors are read without running code, and everything else in such a file is refused."""

import contextlib
import os
import pickle
import subprocess

import numpy as np
import pytest
from torch_files import (
    arrays,
    assemble,
    dictionary,
    number,
    pickled,
    storage,
    stored_values,
    tensor,
    text,
    torch_file,
    tuple_of,
)

from components.features.published.torch_file import TorchFileError, read_tensors

FOUR = np.arange(4, dtype="<f4")


def one_tensor(offset=0, shape=(4,), strides=(1,), count=4, stored=FOUR, keys=("a",), after=b""):
    state = dictionary({"x": tensor(storage("a", count=count), offset, shape, strides)})
    return assemble(state, keys, [stored_values(stored), after])


def test_tensors_are_read_by_name_type_and_strides():
    expected = arrays()
    found = read_tensors(torch_file(expected))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_tensor_may_be_a_part_of_a_storage():
    found = read_tensors(one_tensor(offset=1, shape=(3, 1), strides=(1, 9)))
    np.testing.assert_array_equal(found["x"], [[1], [2], [3]])


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 1},
        {"shape": (5,)},
        {"shape": (2,), "strides": (4,)},
        {"shape": (4, 4), "strides": (1, 0)},
        {"shape": (4, 2), "strides": (1, 1)},
        {"shape": (0,)},
        {"shape": (-4,)},
        {"offset": -1},
        {"strides": (-1,)},
        {"strides": (1, 1)},
        {"shape": (1,) * 9, "strides": (1,) * 9},
        {"count": 5},
        {"count": 2**31 - 1},
        {"count": -1},
        {"stored": FOUR[:3]},
        {"keys": ()},
        {"keys": ("a", "b")},
        {"keys": ("b",)},
        {"after": b"\0"},
    ],
    ids=str,
)
def test_wrong_sizes_offsets_strides_and_lengths_are_refused(change):
    with pytest.raises(TorchFileError):
        read_tensors(one_tensor(**change))


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch planted",)), (subprocess.getoutput, ("touch planted",)), (eval, ("1",))],
    ids=["system", "getoutput", "eval"],
)
def test_nothing_is_called(tmp_path, monkeypatch, function, arguments, protocol):
    monkeypatch.chdir(tmp_path)
    call = pickle.dumps(Call(function, *arguments), protocol)
    state = dictionary({"x": b""})  # replaced below
    for content in (call, assemble(state).replace(pickled(state), call)):
        with pytest.raises(TorchFileError):
            read_tensors(content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (dictionary({"x": number(1)}), "something else than a dictionary of tensors"),
        (text("x"), "something else than a dictionary of tensors"),
        (b"cposix\nsystem\n" + tuple_of(text("true")) + b"R", "the name 'posix system'"),
        (b"ctorch\nFloatStorage\n" + tuple_of(number(9)) + b"R", "a call of torch FloatStorage"),
        (b"ccollections\nOrderedDict\n" + tuple_of(text("a")) + b"R", "with arguments"),
        (text("f") + b")R", "a call"),
        (tuple_of(text("module"), number(1)) + b"Q", "an object outside the pickle"),
        (b"}" + tuple_of() + number(1) + b"s", "an item of something else"),
        (b"h\x07", "damaged"),
        (b"t", "damaged"),
        (b"(", "damaged|something else"),
        (b"\x95\0\0\0\0\0\0\0\0", "FRAME"),
        (b"cbuiltins\neval\n", "the name 'builtins eval'"),
        (b"Vx\n", "UNICODE"),
        (b"\xff", "damaged"),
    ],
)
def test_all_other_contents_are_refused(state, message):
    with pytest.raises(TorchFileError, match=message):
        read_tensors(assemble(state))


def test_keys_of_nested_tuples_are_not_hashed():
    nested = b")q\x00" + b"h\x00h\x00\x86q\x00" * 60  # two to the power of 60 tuples to hash
    with pytest.raises(TorchFileError, match="an item of something else"):
        read_tensors(assemble(b"}" + nested + number(1) + b"s"))


def test_a_file_that_is_cut_off_anywhere_is_refused():
    content = torch_file(arrays())
    for length in range(len(content)):
        with pytest.raises(TorchFileError):
            read_tensors(content[:length])


def test_a_file_with_any_byte_changed_is_read_or_refused():
    content = torch_file(arrays())
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x41
        with contextlib.suppress(TorchFileError):
            read_tensors(bytes(changed))


@pytest.mark.parametrize("change", [{"magic": 1}, {"system": b"}"}, {"system": number(1)}])
def test_other_formats_are_refused(change):
    state = dictionary({"x": tensor(storage("a", count=4), 0, (4,), (1,))})
    with pytest.raises(TorchFileError):
        read_tensors(assemble(state, ["a"], [stored_values(FOUR)], **change))
