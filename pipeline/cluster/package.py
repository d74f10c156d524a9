"""A compiled pipeline package: its tasks and its runtime parameters."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.pattern import parse_span
from components.parameters import ParameterError, complete
from components.sample_evaluator.options import EvaluateOptions
from pipeline.cluster.volumes import warn_of_unmounted_images
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import require_samples
from trainer.options import TrainOptions


@dataclass(frozen=True)
class CompiledPackage:
    """The contents of a package.

    Attributes:
        path: the YAML file (spec 2.1.0).
        parameters: KFP's specifications of the runtime parameters, by name.
        tasks: the displayed names of tasks, by KFP's own.
    """

    path: Path
    parameters: dict[str, dict[str, Any]]
    tasks: dict[str, str]


def read_package(path: Path) -> CompiledPackage:
    """Reads a package that KFP's compiler wrote."""
    root = next(yaml.load_all(path.read_bytes(), yaml.CSafeLoader))["root"]
    parameters = root.get("inputDefinitions", {}).get("parameters", {})
    tasks = {key: task["taskInfo"]["name"] for key, task in root["dag"]["tasks"].items()}
    return CompiledPackage(path, parameters, tasks)


def parse_parameters(package: CompiledPackage, settings: Sequence[str]) -> dict[str, Any]:
    """Parses `name=value` settings by the package's types; a later one replaces an earlier one.

    Raises:
        ParameterError: a name is unknown, a value has another type, or a parameter is missing.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError(f"--param {setting}: expected NAME=VALUE, for example steps=2000")
        if name not in package.parameters:
            close = difflib.get_close_matches(name, package.parameters, n=1)
            known = ", ".join(package.parameters) or "none"
            hint = f"did you mean {close[0]}?" if close else f"the pipeline's parameters: {known}"
            raise ParameterError(f"--param {name}: unknown; {hint}")
        values[name] = _parse(name, text, package.parameters[name]["parameterType"])
    for name, specification in package.parameters.items():
        if "defaultValue" not in specification and name not in values:
            raise ParameterError(f"--param {name}=...: required, the pipeline has no default")
    return values


def check_parameters(
    config: PipelineConfig, values: Mapping[str, Any], report: Callable[[str], None]
) -> None:
    """Checks the parameters of a run as its nodes would, some of them only after the training.

    Args:
        config: that the package was compiled from.
        values: of the parameters that are set.
        report: is called with a line if the folder of images is on no volume.

    Raises:
        ConfigError, ParameterError: one is out of range, or contradicts the configuration.
    """
    if "steps" in values:
        complete(TrainOptions, config.train.model_dump(), steps=values["steps"])
    if "samples" in values:
        given = config.evaluate.model_dump()
        require_samples(complete(EvaluateOptions, given, samples=values["samples"]), config.data)
    if "span" in values:
        try:
            parse_span(values["span"], config.data.pattern)
        except ImageDataError as error:
            raise ParameterError(f"--param span: {error}") from None
    if "data_folder" in values:
        if not values["data_folder"]:
            raise ParameterError("--param data_folder=: empty; expected a folder or a URI")
        warn_of_unmounted_images(
            "--param data_folder", values["data_folder"], config.kubeflow, report
        )


def _parse(name: str, text: str, kind: str) -> Any:
    """Parses a value of one of the types that TFX's runtime parameters have."""
    if kind == "STRING":
        return text
    parse, expected = (int, "a whole number") if kind == "NUMBER_INTEGER" else (float, "a number")
    try:
        value = parse(text)
        finite = math.isfinite(value)  # raises OverflowError above the range of float
    except (ValueError, OverflowError):
        finite = False
    if not finite:
        raise ParameterError(f"--param {name}: got {text!r:.60}; expected {expected}")
    return value
