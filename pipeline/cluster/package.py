"""A compiled pipeline package: tasks, runtime parameters, and folders that its pods do not see."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from components.image_example_gen import names as example_names
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.folders.storage import is_remote
from components.image_example_gen.pattern import parse_span
from components.parameters import ParameterError, complete
from components.sample_evaluator.options import EvaluateOptions
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import require_samples
from pipeline.config.values import FOLDERS
from pipeline.runners.kubeflow.config import KubeflowConfig
from trainer.common.text import printable
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


def warn_of_unmounted(config: PipelineConfig, report: Callable[[str], None]) -> None:
    """Names the local folders of a configuration that are on no volume of the pods that use them.

    Args:
        config: of the pipeline.
        report: is called with each line.
    """
    options = config.kubeflow
    everywhere = options.volumes | options.default.volumes
    if not is_remote(options.root) and not _is_below(options.root, everywhere):
        report(
            f"kubeflow.root={printable(options.root)} is on none of kubeflow.volumes: files "
            "there are lost when the pod ends"
        )
    for key in FOLDERS:
        warn_of_unmounted_images(f"data.{key}", getattr(config.data, key), options, report)


def warn_of_unmounted_images(
    key: str, folder: str | None, options: KubeflowConfig, report: Callable[[str], None]
) -> None:
    """Names a folder of images that is on no volume of the pod that reads images.

    Args:
        key: that sets the folder.
        folder: local, or a URI, which needs no volume; None if it is not set.
        options: of the pods.
        report: is called with the line.
    """
    if not folder or is_remote(folder):
        return
    if not _is_below(folder, options.volumes | options.of_node(example_names.NODE).volumes):
        report(
            f"{key}={printable(folder)} is on none of kubeflow.volumes: the pod sees only what "
            "the container image has there"
        )


def _is_below(folder: str, volumes: Mapping[str, str]) -> bool:
    return any(PurePosixPath(folder).is_relative_to(path) for path in volumes.values())
