"""JSON of requests and answers, in which values may be bytes."""

import base64
import binascii
import json
from typing import Any

import numpy as np

from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import BYTES

MAX_VALUES = 2**21  # some 100 bytes each while they are read or written as JSON
MAX_LISTS = 300_000  # of a request, and objects; as many as 64 images of 64x64 pixels have
MAX_DEPTH = 32  # of nested lists
B64 = "b64"  # key of an object in place of bytes


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body.

    Raises:
        RequestError: it is not JSON, or no object, or has too many values to be read.
    """
    # Counted before they are read: of 3 bytes each, lists would take 60 times the memory of a body.
    if body.count(b",") > MAX_VALUES or body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise RequestError(
            f"JSON of the request: at most {MAX_VALUES:,} values in {MAX_LISTS:,} lists; send "
            "fewer images, or binary data (Open Inference Protocol)",
            413,
        )
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise RequestError("JSON of the request: nested too deeply") from None
    except ValueError as error:
        raise RequestError(f"JSON of the request: {str(error)[:200]}") from None
    if not isinstance(parsed, dict):
        raise RequestError("JSON of the request: expected an object")
    return parsed


def is_bytes(value: Any) -> bool:
    """Whether a value is an object {"b64": ...}."""
    return isinstance(value, dict) and value.keys() == {B64}


def decode(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Replaces strings and {"b64": ...} by bytes in nested lists.

    Raises:
        RequestError: the base64, or a string, is invalid, or lists are nested more than `depth`
            deep.
    """
    if isinstance(value, list):
        if not depth:
            raise RequestError(f"lists are nested more than {MAX_DEPTH} deep")
        return [decode(each, depth - 1) for each in value]
    try:
        if isinstance(value, str):
            return value.encode()
        if is_bytes(value):
            return base64.b64decode(value[B64], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise RequestError(f"invalid string or base64: {str(error)[:200]}") from None
    return value


def check_size(outputs: dict[str, np.ndarray]) -> None:
    """Raises RequestError if outputs have more values than an answer in JSON may have."""
    values = sum(array.size for array in outputs.values())
    if values > MAX_VALUES:
        raise RequestError(
            f"the answer has {values:,} numbers, at most {MAX_VALUES:,} as JSON: ask for fewer "
            "images or steps, or for binary data (Open Inference Protocol)"
        )


def is_file(output: str) -> bool:
    """Whether the strings of an output are files and not text; TF Serving goes by the name."""
    return output.endswith("_bytes")


def encode(name: str, array: np.ndarray) -> Any:
    """The values of an output as TF Serving writes them: files as {"b64": ...}, else text."""
    if array.dtype != BYTES:
        return array.tolist()
    return _encode_strings(array.tolist(), file=is_file(name))


def _encode_strings(value: Any, *, file: bool) -> Any:
    if isinstance(value, list):
        return [_encode_strings(each, file=file) for each in value]
    return {B64: base64.b64encode(value).decode()} if file else value.decode(errors="replace")
