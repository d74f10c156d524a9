"""How the nodes that resolve models choose among the artifacts of earlier runs."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.image_trainer import names as trainer_names
from components.resolvers.choice import Blessing, order_blessed, to_compare_with, to_start_from
from components.resolvers.withdrawal import is_withdrawn
from components.sample_evaluator import names as evaluator_names

# Names of the nodes, and of an input of Baseline.
BASE_MODEL = "BaseModel"
BASELINE = "Baseline"
CANDIDATE = "candidate"


class BlessedModel(NamedTuple):
    """A Model and the latest ModelBlessing that blesses it."""

    model: types.Artifact
    blessing: types.Artifact


class ByIdStrategy(resolver.ResolverStrategy):
    """Resolves one artifact for each channel.

    Args:
        ids: of the artifacts, by the key of their channel.
    """

    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Returns the artifacts, or None if the files of one were removed."""
        found = {
            key: [each for each in artifacts if each.id == self._ids[key]]
            for key, artifacts in input_dict.items()
        }
        return found if all(found.values()) else None


class LatestBlessedOtherStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model other than the candidate.

    In a run whose Trainer is cached, TFX's LatestBlessedModelStrategy would resolve to the
    candidate itself: every evaluation would be repeated, comparing the model with itself.

    The channels are `model` (all models), `blessing` (all blessings), `candidate` (one model) and
    `evaluation` (all evaluations).
    """

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `model` and its `blessing`, both empty where there is none, and `candidate`.

        Also `evaluation`: the latest one of each blessed model except the candidate, in the order
        of `blessed_models`.
        """
        blessed = blessed_models(input_dict["model"], input_dict["blessing"])
        others = to_compare_with(blessed, {artifact.id for artifact in input_dict["candidate"]})
        latest = {
            evaluation.get_int_custom_property(evaluator_names.MODEL_ID): evaluation
            for evaluation in sorted(input_dict["evaluation"], key=lambda artifact: artifact.id)
        }
        return {
            "model": [blessed[number].model for number in others[-1:]],
            "blessing": [blessed[number].blessing for number in others[-1:]],
            "candidate": input_dict["candidate"],
            "evaluation": [latest[number] for number in others if number in latest],
        }


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


def blessed_models(
    models: Sequence[types.Artifact], blessings: Sequence[types.Artifact]
) -> dict[int, BlessedModel]:
    """The blessed models by id, in the order of `order_blessed`.

    Withdrawn models are left out, and students: each is compared with its teacher alone, and
    nothing learns from it.
    """
    by_id = {artifact.id: artifact for artifact in (*models, *blessings)}
    order = order_blessed(
        {model.id for model in models if not (is_withdrawn(model) or _is_student(model))},
        [
            Blessing(
                blessing.id,
                blessing.get_int_custom_property(evaluator_names.MODEL_ID),
                blessing.get_int_custom_property(evaluator_names.BLESSED) == 1,
            )
            for blessing in blessings
        ],
    )
    return {model: BlessedModel(by_id[model], by_id[blessing]) for model, blessing in order.items()}


def _is_student(model: types.Artifact) -> bool:
    return model.has_custom_property(trainer_names.TEACHER)


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
