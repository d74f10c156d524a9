"""Writes the cards of versions that have none, from the records of their workspace.

A push writes its own card (components/atomic_pusher); promoted models have theirs from here. A
card that is there may have been edited: what a rollback adds is one line.
"""

import json
from pathlib import Path
from typing import Any

from components.atomic_pusher import card
from components.atomic_pusher.versions import complete_versions
from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.monitoring.dashboard.collect import TrainedModel, collect
from pipeline.monitoring.dashboard.datasets import IngestedImages
from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.registry.serving import NoModelError, read_model
from pipeline.workspace import Workspace
from trainer.common.text import first_line
from trainer.names import MODEL_CARD


def write_after_promotion(workspace: Workspace) -> None:
    """Writes the cards that are missing, or says why not: a model is live with or without one."""
    try:
        write_missing(workspace)
    except Exception as error:
        failures.say(f"no model card was written: {first_line(error)}", error=True)


def note_after_rollback(workspace: Workspace) -> None:
    """Says in the cards of all withdrawn models that they are, or why it cannot."""
    try:
        for model in load_models(lineage.connect(workspace.metadata), workspace.serving):
            for version in model.versions if model.withdrawn else ():
                card.note_withdrawal(
                    workspace.serving / str(version), model.number, model.withdrawn
                )
    except Exception as error:
        failures.say(f"a model card does not say it: {first_line(error)}", error=True)


def write_missing(workspace: Workspace) -> None:
    """Writes the cards of the versions that have none, each with its grid of samples.

    Raises:
        OSError: a file cannot be written.
    """
    serving = workspace.serving
    versions = {int(folder.name): folder for folder in complete_versions(serving)}
    lacking = {number for number in versions if not (versions[number] / MODEL_CARD).exists()}
    if not lacking:
        return
    for trained in collect(workspace).models:
        for number in lacking.intersection(trained.model.versions):
            _write(trained, versions[number])


def _write(trained: TrainedModel, version: Path) -> None:
    model, found, dataset = trained.model, trained.evaluation, trained.dataset
    metrics = found.files.read(found.folder / evaluator_names.METRICS_JSON) if found else None
    try:
        about, evaluation = read_model(version, "shape").metadata, json.loads(metrics or b"{}")
    except (NoModelError, ValueError):
        return  # damaged, or not of a training of this project
    made_of = card.Card(
        number=model.number,
        about=about,
        trained=model.trained,
        verdict=model.judged,
        reason=model.reason or "",
        folder=(dataset.source or "") if dataset else "",
        files=_files(dataset) if dataset else {},
        evaluation=evaluation,
        metrics=model.metrics,
        samples=found.files.read(found.samples) if found and found.samples else None,
        parent=model.parent,
        promoted=model.promoted or "",
        promoted_by=model.promoted_by or "",
        withdrawn=model.withdrawn or "",
    )
    card.write(made_of, version)


def _files(dataset: IngestedImages) -> dict[str, Any]:
    """The report on the files, which may have been removed, from what is recorded."""
    return {
        "accepted": dataset.accepted,
        "rejected": dataset.rejected,
        "duplicates": dataset.duplicates,
        "splits": dataset.report.splits,
        "by_span": dict.fromkeys(dataset.spans),
    }
