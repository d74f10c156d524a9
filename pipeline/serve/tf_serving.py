"""The REST API of TensorFlow Serving: status, metadata and predict of one model.

https://www.tensorflow.org/tfx/serving/api_rest. Not supported are classify and regress, which the
models have no signatures for, and labels of versions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.serve import json_text
from pipeline.serve.errors import RequestError
from pipeline.serve.live import NOT_LOADED, Live
from pipeline.serve.tensors import Signature, array_of
from pipeline.serve.versions import DEFAULT_SIGNATURE, Version
from trainer.common.text import list_some

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
    content = json_text.parse(body)
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
    if not isinstance(columns, dict) or json_text.is_bytes(columns):
        columns = {_only_input(signature): columns}
    arrays = {key: array_of(key, json_text.decode(value)) for key, value in columns.items()}
    return Request(signature, signature.check(arrays), in_rows)


def answer(request: Request, outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """The JSON of an answer: in rows or columns, without names where there is one output.

    Raises:
        RequestError: it would be too large, or an output has no rows.
    """
    json_text.check_size(outputs)
    for name, array in outputs.items():
        if request.in_rows and not array.ndim:
            raise RequestError(f'{name} has no rows: use the columnar format, "inputs"')
    columns = {name: json_text.encode(name, array) for name, array in outputs.items()}
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


def _columns(rows: Any, signature: Signature) -> Any:
    """The inputs of a request in rows; a list if the only input is not named."""
    if not isinstance(rows, list) or not rows:
        raise RequestError('"instances": expected a list with at least one row')
    if not isinstance(rows[0], dict) or json_text.is_bytes(rows[0]):
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
