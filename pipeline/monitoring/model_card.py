"""Writes the cards of versions that have none, from the records of their workspace.

A push writes its own card (components/atomic_pusher); promoted models have theirs from here. A
card that is there may have been edited: what a rollback adds is one line.
"""

from pathlib import Path

from pydantic import ValidationError

from components.atomic_pusher import card
from components.atomic_pusher.versions import complete_versions
from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.monitoring.dashboard.collect import TrainedModel, collect
from pipeline.monitoring.dashboard.datasets import IngestedImages
from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.registry.serving import NoModelError, read_metadata
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
                card.note_withdrawal(workspace.serving / str(version), model.withdrawn)
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
    try:
        about = card.About.model_validate(read_metadata(version))
    except (ValidationError, NoModelError):
        return  # damaged, or not of a training of this project
    model, found = trained.model, trained.evaluation
    metrics = found.files.read(found.folder / evaluator_names.METRICS_JSON) if found else None
    made_of = card.Card(
        number=model.number,
        about=about,
        trained=model.trained,
        verdict=model.judged if model.verdict == "promoted" else model.verdict,
        reason=(model.withdrawn if model.verdict == "withdrawn" else model.reason) or "",
        promoted=model.promoted or "",
        promoted_by=model.promoted_by or "",
        parent=model.parent,
        images=_images(trained.dataset) if trained.dataset else None,
        judgement=card.read_judgement(metrics, model.metrics),
        samples=found.files.read(found.samples) if found and found.samples else None,
    )
    card.write(made_of, version)


def _images(dataset: IngestedImages) -> card.Images:
    return card.Images(
        source=dataset.source or "",
        accepted=dataset.accepted,
        rejected=dataset.rejected,
        duplicates=dataset.duplicates,
        splits=dataset.report.splits,
        spans=dataset.spans,
    )
