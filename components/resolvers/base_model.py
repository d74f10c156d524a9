"""Which model a training starts from: the latest blessed one that was trained on other examples."""

from collections import defaultdict
from collections.abc import Sequence

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_component_specs

from components.resolvers.blessings import blessed_models


class LatestBlessedOnOtherExamplesStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model whose training did not read the current examples artifact.

    With the latest blessed model, whichever it is, a training would be an input of the next one,
    and a pipeline on unchanged data would train for ever instead of finding all in the cache.

    The channels are `model` (all models), `blessing` (all blessings) and `examples` (the current).
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `examples`."""
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        read = _examples_by_model(store, [model.id for model, _ in blessed])
        current = {artifact.id for artifact in input_dict["examples"]}
        latest = [pair for pair in blessed if not read[pair[0].id] & current][-1:]
        return {
            "model": [model for model, _ in latest],
            "blessing": [blessing for _, blessing in latest],
            "examples": input_dict["examples"],
        }


def _examples_by_model(store: MetadataStore, model_ids: Sequence[int]) -> dict[int, set[int]]:
    """The ids of the examples that each model's training read, by the model's id."""
    outputs = _events(store.get_events_by_artifact_ids(model_ids), mlmd.Event.OUTPUT)
    inputs = _events(
        store.get_events_by_execution_ids({event.execution_id for event in outputs}),
        mlmd.Event.INPUT,
    )
    read = defaultdict(set)
    for event in inputs:
        if event.path.steps[0].key == standard_component_specs.EXAMPLES_KEY:
            read[event.execution_id].add(event.artifact_id)
    by_model = defaultdict(set)
    for event in outputs:
        by_model[event.artifact_id] |= read[event.execution_id]
    return by_model


def _events(events: Sequence[mlmd.Event], kind: int) -> list[mlmd.Event]:
    return [event for event in events if event.type == kind]
