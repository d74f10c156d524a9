"""A compiled pipeline package: its digest, its tasks, and the runtime parameters it takes."""

import difflib
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainer.common import exit_codes

DIGEST_DIGITS = 12
TYPES = {  # of KFP's spec, with those of Python, and what a person writes
    "NUMBER_INTEGER": ((int,), "a whole number"),
    "NUMBER_DOUBLE": ((int, float), "a number"),
    "STRING": ((str,), "text"),
    "BOOLEAN": ((bool,), "true or false"),
    "LIST": ((list,), "a JSON list"),
    "STRUCT": ((dict,), "a JSON object"),
}


class ParameterError(ValueError):
    """A runtime parameter that the pipeline does not take, or not so."""

    exit_code = exit_codes.USAGE


@dataclass(frozen=True)
class Parameter:
    """A runtime parameter: its type, a key of TYPES, and whether a run must give it."""

    type: str
    required: bool


@dataclass(frozen=True)
class Package:
    """What there is to know of a package.

    Attributes:
        path: the YAML file (spec 2.1.0).
        digest: first digits of the SHA-256 of its bytes.
        parameters: the runtime parameters, by name.
        tasks: the names that tasks are shown with, by KFP's own.
    """

    path: Path
    digest: str
    parameters: dict[str, Parameter]
    tasks: dict[str, str]


def read_package(path: Path) -> Package:
    """Reads a package that KFP's compiler wrote."""
    content = path.read_bytes()
    root = next(yaml.load_all(content, yaml.CSafeLoader))["root"]
    parameters = {
        name: Parameter(
            type=spec["parameterType"],
            required="defaultValue" not in spec and not spec.get("isOptional", False),
        )
        for name, spec in root.get("inputDefinitions", {}).get("parameters", {}).items()
    }
    tasks = {key: task["taskInfo"]["name"] for key, task in root["dag"]["tasks"].items()}
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS]
    return Package(path, digest, parameters, tasks)


def parse_parameters(package: Package, settings: Sequence[str]) -> dict[str, Any]:
    """Reads `name=value` settings as the package's types have it; the last one of a name wins.

    Raises:
        ParameterError: if a name is unknown, a value is of another type, or one is missing.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError(f"--param {setting}: expected NAME=VALUE, for example steps=2000")
        if name not in package.parameters:
            close = difflib.get_close_matches(name, package.parameters, n=1)
            known = ", ".join(package.parameters) or "none"
            hint = f"did you mean {close[0]}?" if close else f"this pipeline takes {known}"
            raise ParameterError(f"--param {name}: unknown; {hint}")
        values[name] = _parse(name, text, package.parameters[name].type)
    for name, parameter in package.parameters.items():
        if parameter.required and name not in values:
            raise ParameterError(f"--param {name}=...: not given, and the pipeline has no default")
    return values


def _parse(name: str, text: str, kind: str) -> Any:
    if kind == "STRING":
        return text
    types, expected = TYPES[kind]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if type(value) not in types or (isinstance(value, float) and not math.isfinite(value)):
        raise ParameterError(f"--param {name}: got {text!r:.60}; expected {expected}")
    return value
