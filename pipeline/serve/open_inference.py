"""The Open Inference Protocol, version 2 over HTTP, with its extension for binary tensors.

https://github.com/kserve/open-inference-protocol, and for binary data
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
A request calls `serving_default`, or the signature that its parameter `signature_name` names.
"""

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.serve import json_text
from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import BYTES, Signature, TensorSpec, array_of
from pipeline.serve.versions import DEFAULT_SIGNATURE, Version
from trainer.common.text import list_some

BASE64 = "base64"  # content type of files in JSON, as MLServer calls it
HEADER_LENGTH = "Inference-Header-Content-Length"
EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "tensorflow_savedmodel"
DATATYPES = {
    np.dtype(bool): "BOOL",
    np.dtype(np.uint8): "UINT8",
    np.dtype(np.uint16): "UINT16",
    np.dtype(np.uint32): "UINT32",
    np.dtype(np.uint64): "UINT64",
    np.dtype(np.int8): "INT8",
    np.dtype(np.int16): "INT16",
    np.dtype(np.int32): "INT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.float16): "FP16",
    np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
    BYTES: "BYTES",
}
DTYPES = {name: dtype for dtype, name in DATATYPES.items()}
_LENGTH = struct.Struct("<I")  # before each string in binary data


class _Parameters(BaseModel):
    """Those that the server knows; it ignores others, as the protocol says."""

    signature_name: str = DEFAULT_SIGNATURE
    content_type: str | None = None  # BASE64 for strings of a tensor in JSON that are no text
    binary_data: bool | None = None
    binary_data_output: bool = False
    binary_data_size: int | None = Field(None, ge=0)


class _Input(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    shape: list[int] = Field(max_length=8)
    datatype: Literal[tuple(DTYPES)]  # type: ignore[valid-type]
    parameters: _Parameters = _Parameters()
    data: list[Any] | None = None


class _Output(BaseModel):
    name: str
    parameters: _Parameters = _Parameters()


class _Body(BaseModel):
    id: str | None = None
    parameters: _Parameters = _Parameters()
    inputs: list[_Input] = Field(max_length=16)
    outputs: list[_Output] | None = Field(None, max_length=16)


@dataclass(frozen=True)
class Request:
    """An infer request.

    Attributes:
        id: that the answer repeats; None without.
        signature: to call.
        inputs: that fit it.
        binary: by the name of each output that is asked for, whether as binary data.
    """

    id: str | None
    signature: Signature
    inputs: dict[str, np.ndarray]
    binary: Mapping[str, bool]


def parse(body: bytes, header_length: str | None, version: Version) -> Request:
    """An infer request from its JSON and the binary data that follow it.

    Args:
        body: of the request.
        header_length: value of HEADER_LENGTH, the bytes of the JSON; None if all is JSON.
        version: to call.

    Raises:
        RequestError: it is none, or does not fit the model.
    """
    length = len(body)
    if header_length is not None:
        if (
            not header_length.isdecimal()
            or not len(header_length) < 20
            or int(header_length) > length
        ):
            raise RequestError(f"{HEADER_LENGTH}: expected a number of bytes up to {length}")
        length = int(header_length)
    try:
        content = _Body.model_validate(json_text.parse(body[:length]))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise RequestError(f"{place[:80]}: {first['msg'][:200]}") from None
    signature = version.signature(content.parameters.signature_name)
    arrays, rest = {}, memoryview(body)[length:]
    for each in content.inputs:
        spec = signature.takes.get(each.name)
        if spec is None or each.name in arrays:
            raise RequestError(
                f"input {each.name[:80]}: {'given twice' if spec else 'unknown'}; "
                f"{signature.name} takes {list_some(sorted(signature.takes))}"
            )
        if each.datatype != DATATYPES[spec.dtype]:
            raise RequestError(
                f"{each.name}: expected datatype {DATATYPES[spec.dtype]}, got {each.datatype}"
            )
        arrays[each.name], rest = _read(each, spec, rest)
    if rest:
        raise RequestError(f"{len(rest)} bytes of binary data belong to no input")
    return Request(
        content.id, signature, signature.check(arrays), _binary_outputs(content, signature)
    )


def answer(
    request: Request, outputs: dict[str, np.ndarray], name: str, version: Version
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if binary data follow.

    Raises:
        RequestError: the JSON would be too large.
    """
    json_text.check_size(
        {key: outputs[key] for key, binary in request.binary.items() if not binary}
    )
    described, parts = [], []
    for key, binary in request.binary.items():
        array = outputs[key]
        about: dict[str, Any] = {
            "name": key,
            "shape": list(array.shape),
            "datatype": DATATYPES[array.dtype],
        }
        if binary:
            parts.append(_to_binary(array))
            about["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            about["data"], about["parameters"] = _to_json(key, array)
        described.append(about)
    content = {"model_name": name, "model_version": str(version.number), "outputs": described}
    if request.id is not None:
        content["id"] = request.id
    header = json.dumps(content).encode()
    return b"".join([header, *parts]), len(header) if parts else None


def metadata(name: str, version: Version) -> dict[str, Any]:
    """The inputs and outputs of `serving_default`."""
    signature = version.signature(DEFAULT_SIGNATURE)
    return {
        "name": name,
        "versions": [str(version.number)],
        "platform": PLATFORM,
        "inputs": [_describe(spec) for spec in signature.inputs.values()],
        "outputs": [_describe(spec) for spec in signature.outputs.values()],
    }


def _describe(spec: TensorSpec) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}


def _binary_outputs(content: _Body, signature: Signature) -> dict[str, bool]:
    default = content.parameters.binary_data_output
    if content.outputs is None:
        return dict.fromkeys(signature.outputs, default)
    for each in content.outputs:
        if each.name not in signature.outputs:
            raise RequestError(
                f"output {each.name[:80]}: unknown; {signature.name} has "
                f"{list_some(sorted(signature.outputs))}"
            )
    wanted = {each.name: each.parameters.binary_data for each in content.outputs}
    return {name: default if binary is None else binary for name, binary in wanted.items()}


def _read(given: _Input, spec: TensorSpec, rest: memoryview) -> tuple[np.ndarray, memoryview]:
    """The array of an input, and the binary data of those after it."""
    size = given.parameters.binary_data_size
    if (size is None) == (given.data is None):
        raise RequestError(f"{given.name}: expected either data or binary_data_size")
    if size is None:
        coded = given.parameters.content_type == BASE64
        values = [{json_text.B64: each} for each in given.data] if coded else given.data
        flat = array_of(given.name, json_text.decode(values)).reshape(-1)
    elif size > len(rest):
        raise RequestError(f"{given.name}: {len(rest)} of {size} bytes are there")
    else:
        flat, rest = _from_binary(given.name, rest[:size], spec.dtype), rest[size:]
    try:
        if min(given.shape, default=0) < 0:
            raise ValueError
        return flat.reshape(given.shape), rest
    except ValueError:
        raise RequestError(
            f"{given.name}: {flat.size} values do not have the shape {given.shape}"
        ) from None


def _from_binary(name: str, content: memoryview, dtype: np.dtype) -> np.ndarray:
    if dtype != BYTES:
        if len(content) % dtype.itemsize:
            raise RequestError(f"{name}: {len(content)} bytes are no {dtype.name} values")
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
    strings = []
    while content:
        start = _LENGTH.size
        end = start + _LENGTH.unpack(content[:start])[0] if len(content) >= start else start
        if end > len(content):
            raise RequestError(f"{name}: a string is cut off")
        strings.append(bytes(content[start:end]))
        content = content[end:]
    return _strings(strings)


def _strings(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), BYTES)
    array[:] = values
    return array


def _to_binary(array: np.ndarray) -> bytes:
    if array.dtype != BYTES:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    return b"".join(_LENGTH.pack(len(each)) + each for each in array.flat)


def _to_json(name: str, array: np.ndarray) -> tuple[list[Any], dict[str, str]]:
    """The values in one flat list, and the parameters that say how to read them."""
    flat = array.reshape(-1)
    if array.dtype == BYTES and json_text.is_file(name):
        return [base64.b64encode(each).decode() for each in flat], {"content_type": BASE64}
    return json_text.encode(name, flat), {}
