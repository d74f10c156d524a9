"""The REST API of TensorFlow Serving: status, metadata and predict of one model.

https://www.tensorflow.org/tfx/serving/api_rest. Not supported are classify and regress, which the
models have no signatures for, and labels of versions.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.serve.errors import RequestError
from pipeline.serve.live import NOT_LOADED, Live
from pipeline.serve.tensors import BYTES, Signature, array_of
from pipeline.serve.versions import DEFAULT_SIGNATURE, Version
from trainer.common.text import list_some

MAX_VALUES = 2**21  # some 100 bytes each while they are read or written as JSON
MAX_LISTS = 300_000  # of a request, and objects; as many as 64 images of 64x64 pixels have
MAX_DEPTH = 32  # of nested lists
B64 = "b64"  # key of an object in place of bytes
KEYS = {"signature_name", "instances", "inputs"}


@dataclass(frozen=True)
class Request:
    """A predict request.

    Attributes:
        signature: to call.
        inputs: that fit it.
        in_rows: whether the answer is in rows, like the request, or in columns.
    """

    signature: Signature
    inputs: dict[str, np.ndarray]
    in_rows: bool


def parse(body: bytes, version: Version) -> Request:
    """A predict request from its JSON.

    Raises:
        RequestError: it is none, or does not fit the model.
    """
    content = _parse_json(body)
    if unknown := content.keys() - KEYS:
        raise RequestError(
            f"unknown key {list_some(sorted(unknown))}; known: {', '.join(sorted(KEYS))}"
        )
    name = content.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise RequestError("signature_name: expected a string")
    signature = version.signature(name)
    if ("instances" in content) == ("inputs" in content):
        raise RequestError('expected either "instances" (rows) or "inputs" (columns)')
    in_rows = "instances" in content
    columns = _columns(content["instances"], signature) if in_rows else content["inputs"]
    if not isinstance(columns, dict) or _is_bytes(columns):
        columns = {_only_input(signature): columns}
    arrays = {key: array_of(key, decode(value)) for key, value in columns.items()}
    return Request(signature, signature.check(arrays), in_rows)


def answer(request: Request, outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """The JSON of an answer: in rows or columns, without names where there is one output.

    Raises:
        RequestError: it would be too large, or an output has no rows.
    """
    check_size(outputs)
    for name, array in outputs.items():
        if request.in_rows and not array.ndim:
            raise RequestError(f'{name} has no rows: use the columnar format, "inputs"')
    columns = {name: encode(name, array) for name, array in outputs.items()}
    if not request.in_rows:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def status(live: Live, number: int | None) -> dict[str, Any]:
    """The status of the live version, and of a newer one that does not load.

    Raises:
        RequestError: the version is not served.
    """
    found = []
    failed = live.failed
    if failed and number in (None, failed[0]):
        found.append(_status(failed[0], "END", "UNKNOWN", NOT_LOADED))
    if not found or number is None:
        try:
            found.append(_status(live.version(number).number, "AVAILABLE", "OK", ""))
        except RequestError:
            if not found:
                raise
    return {"model_version_status": found}


def metadata(name: str, version: Version) -> dict[str, Any]:
    """The signatures of a version."""
    from google.protobuf import json_format

    signatures = {
        key: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for key, definition in version.definitions.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


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
        if _is_bytes(value):
            return base64.b64decode(value[B64], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise RequestError(f"invalid string or base64: {str(error)[:200]}") from None
    return value


def check_size(outputs: dict[str, np.ndarray]) -> None:
    """Raises RequestError if outputs have more values than an answer may have."""
    values = sum(array.size for array in outputs.values())
    if values > MAX_VALUES:
        raise RequestError(
            f"the answer has {values:,} numbers, at most {MAX_VALUES:,} as JSON: ask for fewer "
            "images or steps"
        )


def encode(name: str, array: np.ndarray) -> Any:
    """The values of an output: files, which have such a name, as {"b64": ...}, else text.

    Raises:
        RequestError: a number is not finite, which JSON has no word for.
    """
    if array.dtype != BYTES:
        if not np.isfinite(array).all():
            raise RequestError(f"{name} is not finite: give inputs of smaller values")
        return array.tolist()
    return _encode_strings(array.tolist(), file=name.endswith("_bytes"))


def _encode_strings(value: Any, *, file: bool) -> Any:
    if isinstance(value, list):
        return [_encode_strings(each, file=file) for each in value]
    return {B64: base64.b64encode(value).decode()} if file else value.decode(errors="replace")


def _parse_json(body: bytes) -> dict[str, Any]:
    """The object in a body."""
    # Counted before they are read: of 3 bytes each, lists would take 60 times the memory of a body.
    if body.count(b",") > MAX_VALUES or body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise RequestError(
            f"JSON of the request: at most {MAX_VALUES:,} values in {MAX_LISTS:,} lists; send "
            "fewer images",
            413,
        )
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise RequestError("JSON of the request: nested too deeply") from None
    except ValueError as error:
        reason = str(error).partition(";")[0]  # what follows advises programmers
        raise RequestError(f"JSON of the request: {reason[:200]}") from None
    if not isinstance(parsed, dict):
        raise RequestError("JSON of the request: expected an object")
    return parsed


def _is_bytes(value: Any) -> bool:
    """Whether a value is an object {"b64": ...}."""
    return isinstance(value, dict) and value.keys() == {B64}


def _columns(rows: Any, signature: Signature) -> Any:
    """The inputs of a request in rows; a list if the only input is not named."""
    if not isinstance(rows, list) or not rows:
        raise RequestError('"instances": expected a list with at least one row')
    if not isinstance(rows[0], dict) or _is_bytes(rows[0]):
        return rows
    names = rows[0].keys()
    if any(not isinstance(row, dict) or row.keys() != names for row in rows):
        raise RequestError('"instances": expected the same inputs in every row')
    for name in names & signature.takes.keys():
        if not signature.takes[name].shape:
            raise RequestError(f'{name} has no rows: use the columnar format, "inputs"')
    return {name: [row[name] for row in rows] for name in names}


def _only_input(signature: Signature) -> str:
    if len(signature.inputs) != 1:
        raise RequestError(
            f"{signature.name} has several inputs, which must be named: "
            f"{list_some(sorted(signature.inputs))}"
        )
    return next(iter(signature.inputs))


def _status(number: int, state: str, code: str, message: str) -> dict[str, Any]:
    return {
        "version": str(number),
        "state": state,
        "status": {"error_code": code, "error_message": message},
    }
