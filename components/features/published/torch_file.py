"""Reads the tensors of a file that torch.save wrote before version 1.6, without running its code.

Such a file is five pickles, which may call any function, and after them the raw values. Here an
interpreter of the opcodes that dictionaries of tensors consist of stands in for Python's: it calls
nothing, and everything that is not on its lists is an error.
"""

import io
import math
import pickletools
import struct
from typing import Any, NamedTuple

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
DICTIONARY, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
GLOBALS = {*DTYPES, DICTIONARY, TENSOR}
COUNT = struct.Struct("<q")  # before the values of a storage
MAX_DIMENSIONS = 8

VALUES = {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class TorchFileError(ValueError):
    """The file is damaged, or holds something else than a dictionary of tensors."""


class _Global(NamedTuple):
    name: str


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in values, like the offset


_MARK = object()


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Reads all tensors.

    Args:
        content: of the file.

    Returns:
        Read-only views of `content` by name, float32 or int64.

    Raises:
        TorchFileError: the file is something else, damaged or cut off.
    """
    file = io.BytesIO(content)
    if _load(file) != MAGIC or _load(file) != PROTOCOL:
        raise TorchFileError("not a file of torch.save in the format before version 1.6")
    system, state, keys = _load(file), _load(file), _load(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise TorchFileError("its values are not stored as little endian")
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, _Tensor) for name, value in state.items()
    ):
        raise TorchFileError("it holds something else than a dictionary of tensors")
    storages = _storages([tensor.storage for tensor in state.values()])
    values = _read_storages(file, content, storages, keys)
    return {name: _view(values, tensor) for name, tensor in state.items()}


def _storages(found: list[_Storage]) -> dict[str, _Storage]:
    storages: dict[str, _Storage] = {}
    for storage in found:
        if storages.setdefault(storage.key, storage) != storage:
            raise TorchFileError(f"the storage {storage.key!r:.80} is declared twice")
    return storages


def _read_storages(
    file: io.BytesIO, content: bytes, storages: dict[str, _Storage], keys: Any
) -> dict[str, np.ndarray]:
    """The values by key of the storage; the file must end after the last."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise TorchFileError("it has no list of storages")
    if sorted(keys) != sorted(storages):
        raise TorchFileError("the storages are not those of the tensors")
    values = {}
    for key in keys:
        _, dtype, count = storages[key]
        head = file.read(COUNT.size)
        if len(head) < COUNT.size or COUNT.unpack(head) != (count,):
            raise TorchFileError(f"the storage {key!r:.80} has another length than declared")
        start = file.tell()
        if start + count * dtype.itemsize > len(content):
            raise TorchFileError("it is cut off")
        values[key] = np.frombuffer(content, dtype, count, start)
        file.seek(start + count * dtype.itemsize)
    if file.tell() != len(content):
        raise TorchFileError("something follows the last storage")
    return values


def _view(values: dict[str, np.ndarray], tensor: _Tensor) -> np.ndarray:
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    # Strides that are too small would make many values of a few.
    if max(last + 1, math.prod(tensor.shape)) > tensor.storage.count:
        raise TorchFileError("a tensor exceeds its storage")
    stored = values[tensor.storage.key]
    strides = [stride * stored.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        stored[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _load(file: io.BytesIO) -> Any:
    """The value of the next pickle."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                [value] = stack
                return value
            _apply(opcode.name, argument, stack, memo)
    except TorchFileError:
        raise
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise TorchFileError(f"it is damaged: {error!s:.80}") from None
    raise TorchFileError("it is cut off")


def _apply(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Does what an opcode of a pickle means."""
    match name:
        case "PROTO":
            _require(argument == 2, f"pickle protocol {argument}")
        case _ if name in VALUES:
            stack.append(argument)
        case _ if name in CONSTANTS:
            stack.append(CONSTANTS[name])
        case "EMPTY_DICT":
            stack.append({})
        case "EMPTY_LIST":
            stack.append([])
        case "MARK":
            stack.append(_MARK)
        case "TUPLE":
            stack.append(tuple(_pop_to_mark(stack)))
        case _ if name in TUPLES:
            stack.append(tuple(_pop(stack, TUPLES[name])))
        case "BINPUT" | "LONG_BINPUT":
            memo[argument] = stack[-1]
        case "BINGET" | "LONG_BINGET":
            stack.append(memo[argument])
        case "APPENDS":
            items = _pop_to_mark(stack)
            _require(isinstance(stack[-1], list), "an append to something else than a list")
            stack[-1].extend(items)
        case "SETITEM":
            _set_items(stack, _pop(stack, 2))
        case "SETITEMS":
            _set_items(stack, _pop_to_mark(stack))
        case "GLOBAL":
            _require(argument in GLOBALS, f"the name {argument!r:.80}")
            stack.append(_Global(argument))
        case "REDUCE":
            stack.append(_make(*_pop(stack, 2)))
        case "BUILD":  # attributes of the dictionary: versions of torch's modules
            _pop(stack, 1)
            _require(isinstance(stack[-1], dict), "attributes of something else than a dictionary")
        case "BINPERSID":
            stack.append(_make_storage(*_pop(stack, 1)))
        case _:
            raise TorchFileError(f"it holds the opcode {name}, which no tensor needs")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise TorchFileError(f"it holds {what}, which no tensor needs")


def _pop(stack: list[Any], count: int) -> list[Any]:
    """Takes the last values from the stack."""
    items = stack[-count:]
    _require(len(items) == count and all(item is not _MARK for item in items), "a part of a value")
    del stack[-count:]
    return items


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    """Takes the values since the last mark from the stack, and the mark."""
    start = max(i for i, item in enumerate(stack) if item is _MARK)
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _set_items(stack: list[Any], items: list[Any]) -> None:
    target, keys = stack[-1], items[::2]
    # Other keys would be hashed, which for nested tuples may never end.
    simple = all(isinstance(key, (str, int)) for key in keys)
    _require(isinstance(target, dict) and simple, "an item of something else than a dictionary")
    target.update(zip(keys, items[1::2], strict=True))


def _make(function: Any, arguments: Any) -> Any:
    """What the two functions that a file may name return."""
    _require(isinstance(function, _Global) and type(arguments) is tuple, "a call")
    if function.name == DICTIONARY:
        _require(arguments == (), "a dictionary with arguments")
        return {}
    _require(function.name == TENSOR and len(arguments) == 6, f"a call of {function.name}")
    storage, offset, shape, strides, requires_grad, hooks = arguments
    _require(isinstance(storage, _Storage) and _is_size(offset), "a tensor without values")
    for sizes in (shape, strides):
        _require(
            type(shape) is type(sizes) is tuple
            and len(sizes) == len(shape) <= MAX_DIMENSIONS
            and all(_is_size(size) and size > 0 for size in sizes),
            "a tensor of an impossible shape",
        )
    _require(requires_grad is False and hooks == {}, "a tensor with gradients or hooks")
    return _Tensor(storage, offset, shape, strides)


def _make_storage(declared: Any) -> _Storage:
    _require(type(declared) is tuple and len(declared) == 6, "an object outside the pickle")
    what, kind, key, place, count, view = declared
    _require(
        isinstance(what, str)
        and what == "storage"
        and isinstance(kind, _Global)
        and kind.name in DTYPES
        and isinstance(key, str)
        and isinstance(place, str)
        and _is_size(count)
        and view is None,
        "a storage of another kind",
    )
    return _Storage(key, DTYPES[kind.name], count)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**40
