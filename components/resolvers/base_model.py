"""Resolves the model that a training starts from."""

from collections import defaultdict
from collections.abc import Sequence

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.image_trainer import names as trainer_names
from components.resolvers.blessings import blessed_models
from components.resolvers.choice import to_start_from


class LatestBlessedOnOtherExamplesStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model that did not train on the current examples.

    If the latest blessed model of all were the base, each training would be an input of the next,
    and a pipeline on unchanged data would train forever instead of finding everything in the cache.

    The channels are `model` (all models), `blessing` (all blessings) and `examples` (the current).
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `examples`."""
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        examples = _examples_by_model(store, list(blessed))
        current = {artifact.id for artifact in input_dict["examples"]}
        base = to_start_from(blessed, examples, current)[-1:]
        return {
            "model": [blessed[number].model for number in base],
            "blessing": [blessed[number].blessing for number in base],
            "examples": input_dict["examples"],
        }


def _examples_by_model(store: MetadataStore, model_ids: Sequence[int]) -> dict[int, set[int]]:
    """The ids of the Examples that each model trained on, by the model's id."""
    outputs = _events(store.get_events_by_artifact_ids(model_ids), mlmd.Event.OUTPUT)
    inputs = _events(
        store.get_events_by_execution_ids({event.execution_id for event in outputs}),
        mlmd.Event.INPUT,
    )
    read = defaultdict(set)
    for event in inputs:
        if event.path.steps[0].key == trainer_names.EXAMPLES:
            read[event.execution_id].add(event.artifact_id)
    by_model = defaultdict(set)
    for event in outputs:
        by_model[event.artifact_id] |= read[event.execution_id]
    return by_model


def _events(events: Sequence[mlmd.Event], kind: int) -> list[mlmd.Event]:
    return [event for event in events if event.type == kind]
