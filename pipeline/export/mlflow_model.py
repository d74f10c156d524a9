"""A folder with a model that MLflow loads and serves, in the format of its flavor python_function.

https://mlflow.org/docs/latest/api_reference/python_api/mlflow.pyfunc.html describes it. The folder
is written without MLflow, so that only who loads it needs to install it.
"""

import json
import platform
import shutil
from importlib.metadata import version as installed
from pathlib import Path

import yaml

from pipeline.export.new_folder import copy_model, new_folder
from pipeline.registry import serving

DESCRIPTION, DATA, CODE = "MLmodel", "model", "code"
LOADER = Path(__file__).with_name("mlflow_loader.py")
LOADER_NAME = "iadb_mlflow_loader"  # of its copy, which MLflow imports beside its user's modules
REQUIREMENTS, ENVIRONMENT, CONDA = "requirements.txt", "python_env.yaml", "conda.yaml"


def lay_out(version: Path, folder: Path) -> None:
    """Writes a new folder with a copy of a pushed version, what loads it, and what it needs.

    Args:
        version: folder of a version.
        folder: to make; may be an empty one.

    Raises:
        ExportError: the folder is not empty or lies in the model.
    """
    with new_folder(folder, version) as partial:
        copy_model(version, partial / DATA)
        (partial / CODE).mkdir()
        shutil.copyfile(LOADER, partial / CODE / f"{LOADER_NAME}.py")
        (partial / REQUIREMENTS).write_text("\n".join([*_needed(), ""]))
        _write_yaml(partial / ENVIRONMENT, _environment())
        _write_yaml(partial / CONDA, _conda_environment())  # also read where there is no conda
        _write_yaml(partial / DESCRIPTION, _description(version))


def _needed() -> list[str]:
    pinned = [f"{name}=={installed(name)}" for name in ("numpy", "pandas", "tensorflow")]
    return ["mlflow-skinny>=3,<4", *pinned]


def _environment() -> dict:
    return {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }


def _conda_environment() -> dict:
    python = f"python={platform.python_version()}"
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [python, "pip", {"pip": _needed()}],
    }


def _description(version: Path) -> dict:
    flavor = {
        "loader_module": LOADER_NAME,
        "code": CODE,
        "data": DATA,
        "env": {"virtualenv": ENVIRONMENT, "conda": CONDA},
        "python_version": platform.python_version(),
    }
    signature = {
        "inputs": _columns(_inputs(version)),
        "outputs": _columns({"image_bytes": "binary"}),
    }
    return {"flavors": {"python_function": flavor}, "signature": signature}


def _inputs(version: Path) -> dict[str, str]:
    """MLflow's types of the inputs of `serving_default`, by name."""
    model = serving.read_model(version)
    source = model.about.source
    inputs = {"image_bytes": "binary"} if source else {}
    if not source or source.draws_noise:
        inputs["seed"] = "long"
    if model.labels:
        inputs["label"] = "string"
    return inputs


def _columns(types: dict[str, str]) -> str:
    columns = [{"name": name, "type": kind, "required": True} for name, kind in types.items()]
    return json.dumps(columns)


def _write_yaml(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
