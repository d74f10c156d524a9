"""What the pages tell: the records of a workspace, joined.

Training, verdicts and lineage come from ML Metadata, attempts and held spans from the journal.
Either may be missing. Imports neither TFX nor TensorFlow.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import complete_versions
from components.image_example_gen import names as example_names
from components.image_example_gen.pattern import has_spans
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, HeldSpan, Journal
from pipeline.registry.models import RegisteredModel, load_models
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class IngestedImages:
    """The images that a run has read: one Examples artifact.

    Attributes:
        number: the id of the artifact in ML Metadata.
        read: when it was, aware: with the attempt, where one led to it.
        source: the folder or URI that the images lie in; None where it was not recorded.
        folders: of the spans below it, by span.
        spans: those it is made of, ascending; empty where the data have none.
        accepted, rejected, duplicates: counts of files.
        folder: of the artifact.
    """

    number: int
    read: datetime
    source: str | None
    folders: Mapping[int, str]
    spans: tuple[int, ...]
    accepted: int
    rejected: int
    duplicates: int
    folder: Path

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """What became of the files (image_example_gen/report.py); empty where it is gone."""
        return _read_json(self.folder / example_names.REJECTED_JSON)


@dataclass(frozen=True)
class Evaluation:
    """What is there to see of an evaluation.

    Attributes:
        number: the id of its artifact in ML Metadata.
        folder: of the artifact.
        report: the page; None where it is gone.
        samples: a grid of samples as PNG; None where there is none.
    """

    number: int
    folder: Path
    report: Path | None
    samples: Path | None

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """What its metrics.json says of each metric, by name; empty where it is gone."""
        return _read_json(self.folder / evaluator_names.METRICS_JSON).get("metrics", {})


@dataclass(frozen=True)
class TrainedModel:
    """A model with all that led to it.

    Attributes:
        model: as `iadb models` tells it.
        day: when its training began, aware: with the attempt, where one led to it.
        attempt: that led to it; None where a person started the run.
        run: that trained it.
        dataset: that it was trained on.
        evaluation: the latest one of it.
    """

    model: RegisteredModel
    day: datetime
    attempt: Attempt | None
    run: lineage.Run | None
    dataset: IngestedImages | None
    evaluation: Evaluation | None

    @property
    def span(self) -> int | None:
        """The newest span of its images; None where the data have none."""
        return self.dataset.spans[-1] if self.dataset and self.dataset.spans else None


@dataclass(frozen=True)
class Overview:
    """All of a workspace that the pages tell.

    Attributes:
        workspace: its folder.
        models: in the order they were trained.
        runs: oldest first.
        datasets: oldest first.
        attempts: oldest first.
        attempt_of: the attempt that led to a run, by the run's id.
        held: the spans that were ever set aside.
        served: number of the version that is served; None where there is none.
    """

    workspace: Path
    models: Sequence[TrainedModel]
    runs: Sequence[lineage.Run]
    datasets: Sequence[IngestedImages]
    attempts: Sequence[Attempt]
    attempt_of: Mapping[str, Attempt]
    held: Mapping[int, HeldSpan]
    served: int | None

    @property
    def live(self) -> TrainedModel | None:
        """The model that is served; None where there is none, or one that is not known."""
        return next((each for each in self.models if each.model.live), None)

    @cached_property
    def _by_number(self) -> Mapping[int, TrainedModel]:
        return {each.model.number: each for each in self.models}

    @cached_property
    def _by_attempt(self) -> Mapping[int, Sequence[TrainedModel]]:
        found = defaultdict(list)
        for each in self.models:
            if each.attempt:
                found[each.attempt.number].append(each)
        return found

    def models_of(self, attempt: Attempt) -> Sequence[TrainedModel]:
        """The models that an attempt has trained."""
        return self._by_attempt.get(attempt.number, ())

    @cached_property
    def has_spans(self) -> bool:
        """Whether the data have spans; the only one of those that have none is held as span 0."""
        return any(each.spans for each in self.datasets) or any(self.held)

    def day(self, run: lineage.Run) -> datetime:
        """When a run began, aware: with the attempt, where one led to it."""
        attempt = self.attempt_of.get(run.id)
        return attempt.started if attempt else run.started.astimezone()

    def parent(self, trained: TrainedModel) -> TrainedModel | None:
        """The model that a warm start was from."""
        return self._by_number.get(trained.model.parent)

    def ancestors(self, trained: TrainedModel) -> list[TrainedModel]:
        """The models that warm starts lead back to, the parent first."""
        found = []
        parent = self.parent(trained)
        while parent:  # ends, since a parent is older than its child
            found.append(parent)
            parent = self.parent(parent)
        return found


def collect(workspace: Workspace) -> Overview:
    """Reads the records of a workspace; one that is not there has none, and is not made."""
    store, journal = lineage.connect(workspace.metadata), Journal(workspace.journal)
    runs = lineage.runs(store)
    attempts = [_local(each) for each in journal.attempts()]
    attempt_of = {run: attempt for attempt in attempts for run in attempt.runs}
    datasets = _datasets(store, runs, attempt_of)
    versions = complete_versions(workspace.serving)
    return Overview(
        workspace=workspace.folder,
        models=_trained_models(store, workspace, runs, attempt_of, datasets),
        runs=runs,
        datasets=list(datasets.values()),
        attempts=attempts,
        attempt_of=attempt_of,
        held={n: _local(each) for n, each in journal.held_spans().items()},
        served=int(versions[-1].name) if versions else None,
    )


def _local(record: Attempt | HeldSpan) -> Any:
    """The record with its times in the local time zone, which ML Metadata's are told in."""
    times = {
        name: value.astimezone()
        for name, value in vars(record).items()
        if isinstance(value, datetime)
    }
    return replace(record, **times)


def _trained_models(
    store: MetadataStore,
    workspace: Workspace,
    runs: Sequence[lineage.Run],
    attempt_of: Mapping[str, Attempt],
    datasets: Mapping[int, IngestedImages],
) -> list[TrainedModel]:
    trained_by, evaluations = {}, {}
    for run in runs:
        model = run.artifacts.get((trainer_names.NODE, trainer_names.MODEL))
        if model:
            trained_by.setdefault(model.id, run)  # later runs took it from the cache
        evaluation = run.artifacts.get((evaluator_names.NODE, evaluator_names.EVALUATION))
        if evaluation:
            number = evaluation.custom_properties[evaluator_names.MODEL_ID].int_value
            evaluations[number] = _evaluation(evaluation, workspace)
    found = []
    for model in load_models(store, workspace.serving):
        run = trained_by.get(model.number)
        attempt = attempt_of.get(run.id) if run else None
        found.append(
            TrainedModel(
                model=model,
                day=attempt.started if attempt else model.trained,
                attempt=attempt,
                run=run,
                dataset=datasets.get(model.examples),
                evaluation=evaluations.get(model.number),
            )
        )
    return found


def _evaluation(artifact: mlmd.Artifact, workspace: Workspace) -> Evaluation:
    """The files of an evaluation; its report is also in the workspace's folder of reports."""
    folder = Path(artifact.uri)
    reports = [folder / evaluator_names.REPORT_HTML, workspace.reports / f"{folder.name}.html"]
    samples = folder / evaluator_names.SAMPLES_PNG
    return Evaluation(
        artifact.id,
        folder,
        next((path for path in reports if path.is_file()), None),
        samples if samples.is_file() else None,
    )


def _datasets(
    store: MetadataStore, runs: Sequence[lineage.Run], attempt_of: Mapping[str, Attempt]
) -> dict[int, IngestedImages]:
    """By the id of the artifact."""
    first = {}
    for run in runs:
        artifact = run.artifacts.get((example_names.NODE, example_names.EXAMPLES))
        if artifact:
            first.setdefault(artifact.id, (artifact, attempt_of.get(run.id)))
    sources = lineage.maker_properties(store, list(first))
    return {
        number: _dataset(artifact, attempt, sources.get(number, {}))
        for number, (artifact, attempt) in first.items()
    }


def _dataset(
    artifact: mlmd.Artifact, attempt: Attempt | None, source: Mapping[str, Any]
) -> IngestedImages:
    properties = lineage.properties(artifact)
    return IngestedImages(
        number=artifact.id,
        read=attempt.started if attempt else lineage.recorded_at(artifact),
        source=source.get(example_names.INPUT_BASE),
        folders={
            span: folder for span, _, folder in json.loads(source.get(example_names.WINDOW, "[]"))
        },
        spans=_spans(properties, source),
        accepted=properties.get(example_names.ACCEPTED, 0),
        rejected=properties.get(example_names.REJECTED, 0),
        duplicates=properties.get(example_names.DUPLICATES, 0),
        folder=Path(artifact.uri),
    )


def _spans(properties: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[int, ...]:
    """The spans of a dataset; without a pattern there is the folder alone, which counts as 0."""
    pattern = json.loads(source.get(example_names.WINDOW_OPTIONS, "{}")).get("pattern")
    if pattern is not None and not has_spans(pattern):
        return ()
    if example_names.SPANS in properties:
        return tuple(json.loads(properties[example_names.SPANS]))
    return (properties[example_names.SPAN],) if example_names.SPAN in properties else ()


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one where the file is gone or holds no object."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
