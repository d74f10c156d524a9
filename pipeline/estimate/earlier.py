"""What earlier runs in the workspace say of a run: which nodes are cached, and what others took.

TFX records the properties of each execution. A node whose properties and inputs are those of an
earlier one comes from its cache; one that differs in amounts alone, such as the number of steps,
takes a time in proportion to them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from google.protobuf import json_format, message
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline

from components.image_example_gen import names as example_names
from components.image_example_gen.files import fingerprint
from components.image_example_gen.windows import window_text
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.estimate.images import Listed
from pipeline.registry.lineage import Node, Run
from trainer.common.remote_path import to_path
from trainer.names import METADATA

Properties = Mapping[str, Any]
# What does not decide how long a node takes, or only in proportion; also in properties as JSON.
AMOUNTS = {
    "checkpoints",
    "conversion",  # compared with the options of ImageExampleGen
    "latest_samples",
    "push",
    "push_destination",
    "samples",
    "source_hash",
    "span",
    "split",
    "version",
    trainer_names.STEPS,
    example_names.HOLDOUT,
    example_names.INPUT_BASE,
    example_names.REQUESTED_SPAN,
    example_names.SOURCE_WINDOW,
    example_names.WINDOW,
    example_names.WINDOW_OPTIONS,
    FINGERPRINT_PROPERTY_NAME,
}
# Nodes that draw with a model, or learn how it does, by the node that trains it.
SAMPLED_FROM = {
    trainer_names.STUDENT: trainer_names.NODE,
    evaluator_names.NODE: trainer_names.NODE,
    evaluator_names.STUDENT_NODE: trainer_names.STUDENT,
}


@dataclass(frozen=True)
class Planned:
    """The nodes of a run to come.

    Attributes:
        properties: of each node, by its id, as far as they are known before.
        upstream: of each node, the ids of those that come before it.
    """

    properties: Mapping[str, Properties]
    upstream: Mapping[str, Set[str]]


@dataclass(frozen=True)
class Earlier:
    """A node that ran before.

    Attributes:
        seconds: that it took.
        started: when.
        run: that it was in.
        models: how many models an evaluation in that run compared, with the images in between.
    """

    seconds: float
    started: datetime
    run: Run
    models: int


def plan(pipeline: Pipeline, listed: Sequence[Listed]) -> Planned:
    """Describes a pipeline as TFX would record its executions.

    Args:
        pipeline: of the run.
        listed: the images that it will read; the cache is found if they have sizes and times.
    """
    nodes = [node for node in pipeline.components if not isinstance(node, Resolver)]
    properties = {
        node.id: {
            name: _plain(value) for name, value in node.exec_properties.items() if value is not None
        }
        for node in nodes
    }
    unpaired = properties[example_names.NODE][example_names.UNPAIRED_SOURCE]
    sources = [
        replace(span, folder=span.folder.removeprefix(unpaired.rstrip("/")).lstrip("/"))
        for span in (listed[-1].source.window if unpaired else ())
    ]
    properties[example_names.NODE] |= {
        example_names.WINDOW: _parse(window_text(listed[0].source.window)),
        example_names.SOURCE_WINDOW: _parse(window_text(sources)),
        FINGERPRINT_PROPERTY_NAME: fingerprint(file for each in listed for file in each.files),
    }
    upstream = {
        node.id: {each.id for each in node.upstream_nodes if not isinstance(each, Resolver)}
        for node in nodes
    }
    return Planned(properties, upstream)


def find_cached(planned: Planned, runs: Sequence[Run]) -> set[str]:
    """The nodes that TFX will take from its cache, as far as can be known before."""
    return {node for run in runs for node in _cached_by(planned, run)}


def goes_on(node: str, planned: Planned, runs: Sequence[Run]) -> bool:
    """Whether a node will go on with what its last execution left, on the same images."""
    found = ((run, each) for run in reversed(runs) for each in run.nodes if each.id == node)
    run, last = next(found, (None, None))
    if run is None or last.state not in ("failed", "interrupted"):
        return False
    recorded = _parsed(last)
    same = all(recorded.get(name) == value for name, value in planned.properties[node].items())
    return same and example_names.NODE in find_cached(planned, [run])


def find_earlier(planned: Planned, runs: Sequence[Run]) -> dict[str, Earlier]:
    """For each node, the newest execution that did the same work on other amounts, if any.

    Trainings that were resumed do not count, nor pairs of which earlier runs have drawn some: part
    of their time is missing.
    """
    found = {}
    blessed = False
    for run in runs:
        recorded = {node.id: _parsed(node) for node in run.nodes}
        models, blessed = 1 + blessed, blessed or bool(run.blessed)
        for node in run.nodes:
            if node.state != "done" or not _is_same_work(node.id, planned, recorded):
                continue
            if _is_whole(node.id, run):
                found[node.id] = Earlier(node.seconds, node.started, run, models)
    return found


def _cached_by(planned: Planned, run: Run) -> Iterator[str]:
    nodes = {node.id: node for node in run.nodes}
    waiting, found = dict(planned.upstream), set()
    while ready := [node for node, upstream in waiting.items() if upstream <= found]:
        progress = False
        for node in ready:
            del waiting[node]
            if node in nodes and _is_equal(planned.properties[node], nodes[node], run):
                found.add(node)
                progress = True
        if not progress:
            break
    yield from found


def _is_equal(properties: Properties, node: Node, run: Run) -> bool:
    if node.state not in ("done", "cached"):
        return False
    recorded = _parsed(node)
    outputs = [artifact for (of, _), artifact in run.artifacts.items() if of == node.id]
    return all(_is_there(artifact) for artifact in outputs) and all(
        recorded.get(name) == value for name, value in properties.items()
    )


def _is_there(artifact: mlmd.Artifact) -> bool:
    # TFX looks for the files as well, which somebody may have moved or deleted.
    return artifact.state == mlmd.Artifact.LIVE and to_path(artifact.uri).exists()


def _is_same_work(node: str, planned: Planned, recorded: Mapping[str, Properties]) -> bool:
    def same(other: str, *names: str) -> bool:
        ours, theirs = (
            _without_amounts(each.get(other, {})) for each in (planned.properties, recorded)
        )
        for name in names:
            ours, theirs = ours.get(name, {}), theirs.get(name, {})
        return ours == theirs

    options = example_names.IMAGE_OPTIONS
    if node not in planned.properties or not same(example_names.NODE, options):
        return False
    if sampled := SAMPLED_FROM.get(node):
        parts = [same(sampled, trainer_names.CUSTOM_CONFIG, part) for part in ("model", "sample")]
        return all(parts) and same(node)
    return same(node)


def _without_amounts(properties: Any) -> Any:
    if not isinstance(properties, Mapping):
        return properties
    return {
        name: _without_amounts(value) for name, value in properties.items() if name not in AMOUNTS
    }


def _is_whole(node: str, run: Run) -> bool:
    """Whether what a node of a run made began and ended in it; False if its files were removed."""
    if node not in (trainer_names.NODE, trainer_names.STUDENT):
        return True
    trained = run.student if node == trainer_names.STUDENT else run
    try:
        metadata = json.loads((to_path(str(trained.model)) / METADATA).read_text("utf-8"))
        return metadata["metrics"]["resumed_from_step"] == 0
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _plain(value: Any) -> Any:
    """A property of a component as `_parsed` gives it."""
    if isinstance(value, RuntimeParameter):
        value = value.default
    if isinstance(value, message.Message):
        return json_format.MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, bool):
        return int(value)
    return _parse(value) if isinstance(value, str) else json.loads(json.dumps(value))


def _parsed(node: Node) -> dict[str, Any]:
    return {name: _parse(value) for name, value in node.properties.items()}


def _parse(value: Any) -> Any:
    """The content of a property, which may be text of JSON."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
