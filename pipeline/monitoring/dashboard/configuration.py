"""The configuration that a model was made with, from the records of the nodes that made it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ml_metadata import MetadataStore

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config.values import flatten
from pipeline.registry.lineage import maker_properties
from pipeline.registry.models import RegisteredModel

SECTIONS = ("model", "train", "sample")  # of a configuration, as the Trainer records them


def load_configurations(
    store: MetadataStore, models: Sequence[RegisteredModel], evaluations: Mapping[int, int]
) -> dict[int, dict[str, Any]]:
    """The configuration of each model by its number.

    Args:
        store: of ML Metadata.
        models: whose configurations are read.
        evaluations: number of the latest evaluation of each model.

    Returns:
        Values by key, such as train.batch_size, in the order of the sections; only what changes the
        model or its verdict is recorded.
    """
    examples = {model.examples for model in models} - {None}
    ids = [*examples, *(model.number for model in models), *evaluations.values()]
    made = maker_properties(store, ids)
    return {
        model.number: {
            **_of_data(made.get(model.examples, {})),
            **_of_training(made.get(model.number, {})),
            **_of_evaluation(made.get(evaluations.get(model.number), {})),
        }
        for model in models
    }


def _of_data(made: Mapping[str, Any]) -> dict[str, Any]:
    folders = {"folder": example_names.INPUT_BASE, "source": example_names.SOURCE}
    folder = {key: made[name] for key, name in folders.items() if made.get(name)}
    if unpaired := made.get(example_names.UNPAIRED_SOURCE):
        folder |= {"source": unpaired, "pairing": "none"}
    window, images = example_names.WINDOW_OPTIONS, example_names.IMAGE_OPTIONS
    return dict(flatten(folder | _parse(made, window) | _parse(made, images), "data."))


def _of_training(made: Mapping[str, Any]) -> dict[str, Any]:
    recorded = _parse(made, trainer_names.CUSTOM_CONFIG)
    found = dict(flatten(recorded.get("split", {})))  # has whole keys
    if trainer_names.STEPS in made:
        recorded["train"] = {"steps": made[trainer_names.STEPS], **recorded.get("train", {})}
    for section in SECTIONS:
        found |= flatten(recorded.get(section, {}), f"{section}.")
    return found


def _of_evaluation(made: Mapping[str, Any]) -> dict[str, Any]:
    return dict(flatten(_parse(made, evaluator_names.OPTIONS), "evaluate."))


def _parse(made: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = json.loads(made.get(name) or "{}")
    return found if isinstance(found, dict) else {}
