"""Checks by KFP's published v2beta1 OpenAPI, read from its generated client (kfp_server_api)."""

import inspect
import re
from dataclasses import dataclass
from datetime import datetime

import kfp_server_api

INT64 = {"max_concurrency", "interval_second"}  # strings in OpenAPI; JSON may also have numbers
PRIMITIVES = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


class WrongShapeError(Exception):
    """A value does not match the OpenAPI."""


@dataclass(frozen=True)
class Operation:
    """A request of the API; `query` has the type of each parameter, `body` the name of a model."""

    name: str
    method: str
    path: re.Pattern
    query: dict
    body: str | None
    answer: str


def read_operations():
    """All operations, from the source of the generated client."""
    found = []
    for _, api in inspect.getmembers(kfp_server_api.api, inspect.ismodule):
        for _, service in inspect.getmembers(api, inspect.isclass):
            for name, method in inspect.getmembers(service, inspect.isfunction):
                if name.endswith("_with_http_info"):
                    source = inspect.getsource(method)
                    found.append(_read_operation(name.removesuffix("_with_http_info"), source))
    return found


def _read_operation(name, source):
    path, method = re.search(r"call_api\(\s*'([^']+)', '(\w+)'", source).groups()
    types = dict(re.findall(r":type (\w+): (\w+)", source))
    body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
    query = re.findall(r"query_params\.append\(\('([\w.]+)', local_var_params\['(\w+)'", source)
    return Operation(
        name=name,
        method=method,
        path=re.compile(re.sub(r"\\{[\w.\\]+\\}", "([^/:]+)", re.escape(path))),
        query={key: types[argument] for key, argument in query},
        body=types[body[1]] if body else None,
        answer=re.search(r"response_type='([^']+)'", source)[1],
    )


def check(value, kind, where):
    """Raises WrongShapeError if a JSON value does not match the OpenAPI."""
    if kind == "object":
        return
    if of := re.fullmatch(r"list\[(.*)\]", kind):
        _expect(isinstance(value, list), "a list", value, where)
        for i, element in enumerate(value):
            check(element, of[1], f"{where}[{i}]")
    elif of := re.fullmatch(r"dict\(str, (.*)\)", kind):
        _expect(isinstance(value, dict), "an object", value, where)
        for key, element in value.items():
            check(element, of[1], f"{where}.{key}")
    elif kind == "datetime":
        _expect(isinstance(value, str), "a time", value, where)
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    elif kind in PRIMITIVES:
        _expect(type(value) in PRIMITIVES[kind], kind, value, where)
    else:
        _check_model(value, kind, where)


def _check_model(value, kind, where):
    model = getattr(kfp_server_api.models, kind)
    if allowed := getattr(model, "allowable_values", None):
        _expect(value in allowed, f"one of {allowed}", value, where)
        return
    _expect(isinstance(value, dict), kind, value, where)
    kinds = {model.attribute_map[key]: of for key, of in model.openapi_types.items()}
    for key, element in value.items():
        _expect(key in kinds, f"a field of {kind}", key, where)
        if key not in INT64 or not isinstance(element, int):
            check(element, kinds[key], f"{where}.{key}")


def _expect(fulfilled, what, value, where):
    if not fulfilled:
        raise WrongShapeError(f"{where}: expected {what}, got {value!r}")
