"""The REST API of the live model as an OpenAPI document, for clients and their generators.

https://spec.openapis.org/oas/v3.1.1, whose schemas are JSON Schema 2020-12.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pipeline.serve.tensors import BYTES, Signature, TensorSpec
from pipeline.serve.tf_serving import B64
from pipeline.serve.versions import DEFAULT_SIGNATURE, Version

Schema = dict[str, Any]
FILE: Schema = {
    "type": "object",
    "properties": {B64: {"type": "string", "contentEncoding": "base64"}},
    "required": [B64],
    "additionalProperties": False,
}
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
ERRORS = {
    "400": "the request does not fit the model",
    "401": "the token is missing or wrong",
    "404": "another model, version or signature than is served",
    "413": "the request is too large",
    "429": "too many requests wait; Retry-After has the seconds",
    "503": "no version is live",
    "504": "not done within the deadline",
}


def document(name: str, version: Version) -> Schema:
    """The paths of a model, with the inputs and outputs of its signatures.

    Args:
        name: of the model in paths.
        version: that is live.
    """
    signatures = version.signatures.values()
    model = f"/v1/models/{name}"
    predict = {
        "summary": "Call a signature, in columns (inputs) or in rows (instances)",
        "operationId": "predict",
        "requestBody": {
            "required": True,
            "content": _json({"anyOf": [each for s in signatures for each in _requests(s)]}),
        },
        "responses": _answers({"anyOf": [each for s in signatures for each in _responses(s)]}),
    }
    status = {"summary": "Which version is live", "operationId": "status"}
    metadata = {"summary": "The signatures of the model", "operationId": "metadata"}
    return {
        "openapi": "3.1.1",
        "info": {"title": name, "version": str(version.number)},
        "paths": {
            f"{model}:predict": {"post": predict},
            model: {"get": {**status, "responses": _answers({"type": "object"})}},
            f"{model}/metadata": {"get": {**metadata, "responses": _answers({"type": "object"})}},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }


def _requests(signature: Signature) -> list[Schema]:
    """What calls a signature."""
    takes = {name: _tensor(spec) for name, spec in signature.takes.items()}
    columns = _object(takes, signature.inputs)
    if len(signature.inputs) == 1:
        columns = {"anyOf": [columns, *takes.values()]}
    found = [_call(signature, "inputs", columns)]
    if all(spec.shape for spec in signature.inputs.values()):
        rows = {name: _tensor(spec, spec.shape[1:]) for name, spec in signature.inputs.items()}
        row = _object(rows, rows)
        if len(rows) == 1:
            row = {"anyOf": [row, *rows.values()]}
        found.append(_call(signature, "instances", {"type": "array", "items": row, "minItems": 1}))
    return found


def _call(signature: Signature, key: str, schema: Schema) -> Schema:
    named = [] if signature.name == DEFAULT_SIGNATURE else ["signature_name"]
    return _object({"signature_name": {"const": signature.name}, key: schema}, [*named, key])


def _responses(signature: Signature) -> list[Schema]:
    """What a signature answers: without names where there is one output."""
    columns = {name: _tensor(spec) for name, spec in signature.outputs.items()}
    rows = {name: _tensor(spec, spec.shape[1:]) for name, spec in signature.outputs.items()}
    one = len(columns) == 1
    column = next(iter(columns.values())) if one else _object(columns, columns)
    row = next(iter(rows.values())) if one else _object(rows, rows)
    return [
        _object({"outputs": column}, ["outputs"]),
        _object({"predictions": {"type": "array", "items": row}}, ["predictions"]),
    ]


def _tensor(spec: TensorSpec, shape: tuple[int | None, ...] | None = None) -> Schema:
    """Nested arrays of the shape of a tensor, or of another one."""
    if spec.dtype == BYTES:
        schema: Schema = {"anyOf": [{"type": "string"}, FILE]}
    elif spec.dtype.kind == "f":
        schema = {"type": "number"}
    elif spec.dtype.kind == "b":
        schema = {"type": "boolean"}
    else:
        limits = np.iinfo(spec.dtype)
        schema = {"type": "integer", "minimum": limits.min, "maximum": limits.max}
    for size in reversed(spec.shape if shape is None else shape):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _object(properties: Mapping[str, Schema], required: Iterable[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _answers(schema: Schema) -> Schema:
    errors = {
        status: {"description": text, "content": _json(ERROR)} for status, text in ERRORS.items()
    }
    return {"200": {"description": "the answer", "content": _json(schema)}, **errors}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
