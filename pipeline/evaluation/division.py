"""How a single folder of real images is divided, into those to compare with and the others.

A model was trained on most of the images of its folder. What is compared must be what its training
held out, by the same hash; for folders of images, any half will do.
"""

import contextlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from components.image_example_gen.options import ImageOptions
from pipeline.config.sections import DataConfig
from trainer.common.text import printable, shorten

HALF = 50  # percent
HALF_SALT = "evaluate:"  # else all images that a pipeline held out would be compared
EVAL_PERCENT, NEAR_DUPLICATES = "eval_percent", "near_duplicates"
KEYS = (EVAL_PERCENT, "group_pattern", NEAR_DUPLICATES)  # of data: which images are held out
CONVERSION = ("fit", "background")  # of data: how images are converted, which moves their hashes


class Division(NamedTuple):
    """How a folder is divided.

    Attributes:
        options: of ImageExampleGen, by name.
        salt: of the hash, as in `example.split_of`.
        by_training: whether those to compare with are those that a training held out.
        line: about it, for a person; empty if there is no model.
    """

    options: Mapping[str, Any]
    salt: str
    by_training: bool
    line: str


def divide(data: DataConfig, models: Mapping[Path, Mapping[str, Any]]) -> Division:
    """Divides by the split that the models record; what `data` sets explicitly has precedence.

    Args:
        data: of the configuration.
        models: the metadata of each model, by its folder; the candidate comes first.
    """
    if not models:
        return Division({EVAL_PERCENT: HALF}, HALF_SALT, by_training=False, line="")
    found = {folder: _recorded(metadata) for folder, metadata in models.items()}
    recorded = [split for split in found.values() if split]
    is_set = {key: getattr(data, key) for key in KEYS if key in data.model_fields_set}
    missing = [printable(str(folder)) for folder, split in found.items() if not split]
    if not recorded and EVAL_PERCENT not in is_set:
        line = (
            f"warning: {missing[0]} does not say which images its training held out, so images "
            "that it was trained on may be compared; name these with --train, or set "
            "data.eval_percent to that of the training"
        )
        return Division({EVAL_PERCENT: HALF}, HALF_SALT, by_training=False, line=line)
    common = dict(recorded[0]) if recorded else {}
    if recorded:  # images of a smaller percentage are among those of a larger one
        common[EVAL_PERCENT] = min(split[EVAL_PERCENT] for split in recorded)
    options = {**common, **is_set}
    held_out = "images that the training held out, if it read this folder"
    line = f"compared: {held_out}, by {_describe(options)}"
    converted = _recorded_conversion(models.values())
    used = options | conversion(data, models.values())
    if other := {key: value for key, value in (common | converted).items() if used[key] != value}:
        line = f"warning: {line}, as is set; the training had {_describe(other)}"
    elif missing:
        line = f"warning: {line}; {', '.join(missing)} does not record it"
    elif any(_grouping(split) != _grouping(recorded[0]) for split in recorded):
        line = f"warning: {line}; the training of the baseline grouped images otherwise"
    elif any(_recorded_conversion([each]) not in ({}, converted) for each in models.values()):
        line = f"warning: {line}; the training of the baseline converted images otherwise"
    return Division(options, "", by_training=True, line=line)


def conversion(data: DataConfig, models: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """How images are converted to compare models with them.

    Args:
        data: of the configuration; what it sets has precedence, unless a model translates, which
            converts its requests as its training did.
        models: metadata.

    Returns:
        Of CONVERSION by name, what the trainings record.
    """
    recorded = _recorded_conversion(models)
    if any(metadata.get("source") for metadata in models):
        return recorded
    is_set = data.model_fields_set
    return {key: getattr(data, key) if key in is_set else recorded[key] for key in recorded}


def _recorded_conversion(models: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """What the first model that translates records, or else the first; empty if none does."""
    for found in [metadata.get(key) for key in ("source", "conversion") for metadata in models]:
        known = found if isinstance(found, Mapping) else {}
        given = {key: known[key] for key in CONVERSION if key in known}
        with contextlib.suppress(ValidationError):
            if given:
                return ImageOptions(**given).model_dump(include=set(given))
    return {}


def _recorded(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """What decides which images a training held out; None if the model does not record it."""
    split = metadata.get("split")
    if not isinstance(split, Mapping) or f"data.{EVAL_PERCENT}" not in split:
        return None
    # Only a training whose images were grouped records this key.
    values = {f"data.{NEAR_DUPLICATES}": "off", "data.group_pattern": None, **split}
    try:
        options = ImageOptions(**{key: values[f"data.{key}"] for key in KEYS})
    except ValidationError:
        return None
    return {key: getattr(options, key) for key in KEYS}


def _grouping(split: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(split[key] for key in KEYS if key != EVAL_PERCENT)


def _describe(options: Mapping[str, Any]) -> str:
    texts = (f"data.{key}={shorten(json.dumps(value))}" for key, value in options.items() if value)
    return ", ".join(texts)
