"""The records of a workspace, joined for the pages.

Trainings, verdicts and lineage come from ML Metadata, checks, read and held spans from the journal.
Either may be missing. Imports neither TFX nor TensorFlow.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher.versions import complete_versions
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from pipeline.monitoring.dashboard.configuration import load_configurations
from pipeline.monitoring.dashboard.datasets import IngestedImages, load_datasets
from pipeline.monitoring.dashboard.files import Metric, Metrics, WorkspaceFiles
from pipeline.registry import lineage
from pipeline.registry.history import Event, events, newest_check, newest_run
from pipeline.registry.journal import Attempt, HeldSpan, Journal
from pipeline.registry.models import RegisteredModel, by_model, load_models
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Evaluation:
    """The files of an evaluation.

    Attributes:
        number: the id of its artifact in ML Metadata.
        folder: of the artifact.
        files: reads what is in it.
        report: the page; None if it was removed.
        samples: a grid of samples as PNG; None if it was removed.
    """

    number: int
    folder: Path
    files: WorkspaceFiles
    report: Path | None
    samples: Path | None

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics in its metrics.json by name; empty if it was removed."""
        found = self.files.read_json(self.folder / evaluator_names.METRICS_JSON, Metrics)
        return found.metrics


@dataclass(frozen=True)
class TrainedModel:
    """A model and everything that led to it.

    Attributes:
        model: as in `iadb models`.
        day: when its training began, aware; the time of the check that started it, if one did.
        attempt: the check that started its training; None if a person did.
        run: that trained it.
        dataset: that it was trained on.
        evaluation: the latest one of it.
        configuration: values by key, such as train.batch_size.
    """

    model: RegisteredModel
    day: datetime
    attempt: Attempt | None
    run: lineage.Run | None
    dataset: IngestedImages | None
    evaluation: Evaluation | None
    configuration: Mapping[str, Any]

    @property
    def span(self) -> int | None:
        """The newest span of its images; None if the data have none."""
        return self.dataset.spans[-1] if self.dataset and self.dataset.spans else None


@dataclass(frozen=True)
class Overview:
    """Everything that the pages show of a workspace.

    Attributes:
        workspace: its folder.
        models: in the order they were trained.
        decided: the model that was judged or promoted last; None if none was.
        runs: oldest first.
        datasets: oldest first.
        events: what happened, oldest first, as in `iadb history`.
        attempt_of: the check that started a run, by the run's id.
        held: the spans that were ever held.
        trained: the spans that a judged run has read, as in `iadb spans`.
        served: number of the live version; None if there is none.
    """

    workspace: Path
    models: Sequence[TrainedModel]
    decided: TrainedModel | None
    runs: Sequence[lineage.Run]
    datasets: Sequence[IngestedImages]
    events: Sequence[Event]
    attempt_of: Mapping[str, Attempt]
    held: Mapping[int, HeldSpan]
    trained: Set[int]
    served: int | None

    @property
    def live(self) -> TrainedModel | None:
        """The live model; None if no known model is live."""
        return next((each for each in self.models if each.model.live), None)

    @cached_property
    def _by_number(self) -> Mapping[int, TrainedModel]:
        return {each.model.number: each for each in self.models}

    def models_of(self, event: Event) -> Sequence[TrainedModel]:
        """The models that an event is about."""
        return [self._by_number[each] for each in event.models if each in self._by_number]

    @cached_property
    def last_check(self) -> Event | None:
        """The newest check; None if there was none."""
        return newest_check(self.events)

    @cached_property
    def last_run(self) -> Event | None:
        """The newest run that no check started; None if there was none."""
        return newest_run(self.events, self.runs)

    @cached_property
    def has_spans(self) -> bool:
        """Whether the data have spans; a folder without spans is held as span 0."""
        return any(each.spans for each in self.datasets) or any(self.held)

    def day(self, run: lineage.Run) -> datetime:
        """When a run began, aware; the time of the check that started it, if one did."""
        attempt = self.attempt_of.get(run.id)
        return attempt.started if attempt else run.started.astimezone()

    def parent(self, trained: TrainedModel) -> TrainedModel | None:
        """The model that the training started from."""
        return self._by_number.get(trained.model.parent)


def collect(workspace: Workspace) -> Overview:
    """Reads the records of a workspace without creating anything."""
    store, journal = lineage.connect(workspace.metadata), Journal(workspace.journal)
    runs, registered = lineage.runs(store), load_models(store, workspace.serving)
    attempts = journal.attempts()
    attempt_of = {run: attempt for attempt in attempts for run in attempt.runs}
    files = WorkspaceFiles(workspace.folder)
    datasets = load_datasets(store, workspace.artifacts, files, runs, attempt_of)
    models = _trained_models(store, registered, workspace, runs, attempt_of, datasets)
    versions = complete_versions(workspace.serving)
    return Overview(
        workspace=workspace.folder,
        models=models,
        decided=_decided_last(store, models),
        runs=runs,
        datasets=list(datasets.values()),
        events=events(attempts, runs, registered),
        attempt_of=attempt_of,
        held=journal.held_spans(),
        trained=journal.snapshots().keys(),
        served=int(versions[-1].name) if versions else None,
    )


def _trained_models(
    store: MetadataStore,
    models: Sequence[RegisteredModel],
    workspace: Workspace,
    runs: Sequence[lineage.Run],
    attempt_of: Mapping[str, Attempt],
    datasets: Mapping[int, IngestedImages],
) -> list[TrainedModel]:
    trained_by, evaluations = {}, {}
    students = [run.student for run in runs if run.student]
    for run in (*runs, *students):
        model = run.artifacts.get((trainer_names.NODE, trainer_names.MODEL))
        if model:
            trained_by.setdefault(model.id, run)  # later runs took it from the cache
        evaluation = run.artifacts.get((evaluator_names.NODE, evaluator_names.EVALUATION))
        if evaluation:
            number = evaluation.custom_properties[evaluator_names.MODEL_ID].int_value
            evaluations[number] = _evaluation(evaluation, workspace)
    numbers = {model: evaluation.number for model, evaluation in evaluations.items()}
    configurations = load_configurations(store, models, numbers)
    found = []
    for model in models:
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
                configuration=configurations[model.number],
            )
        )
    return found


def _decided_last(store: MetadataStore, models: Sequence[TrainedModel]) -> TrainedModel | None:
    """The model of the newest blessing: an earlier model may be judged again, or promoted."""
    blessings = by_model(store.get_artifacts_by_type(evaluator_names.BLESSING_TYPE))
    decided = [each for each in models if each.model.number in blessings]
    return max(decided, key=lambda each: blessings[each.model.number][-1].id, default=None)


def _evaluation(artifact: mlmd.Artifact, workspace: Workspace) -> Evaluation:
    """The files of an evaluation; a copy of its report is in the workspace's folder of reports."""
    folder = lineage.place_of(artifact, workspace.artifacts)
    files = WorkspaceFiles(workspace.folder)
    reports = [folder / evaluator_names.REPORT_HTML, workspace.reports / f"{folder.name}.html"]
    samples = folder / evaluator_names.SAMPLES_PNG
    return Evaluation(
        artifact.id,
        folder,
        files,
        next(filter(files.has, reports), None),
        samples if files.has(samples) else None,
    )
