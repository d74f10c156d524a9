"""The card of a model that is pushed, from the artifacts that it was judged by."""

from datetime import datetime

from pydantic import BaseModel
from tfx import types

from components.atomic_pusher import card
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from trainer.common.progress_lines import print_line
from trainer.common.remote_path import AnyPath, to_path
from trainer.common.text import first_line
from trainer.names import METADATA


class FileReport(BaseModel):
    """What the card has of the report on the files (image_example_gen/report.py)."""

    accepted: int
    rejected: int
    duplicates: int
    splits: dict[str, int] = {}
    by_span: dict[int, dict[str, int]] = {}


def write_card(
    version: AnyPath,
    model: types.Artifact,
    blessing: types.Artifact,
    evaluation: types.Artifact,
    examples: types.Artifact,
) -> None:
    """Writes the card into a version, or prints why not: a model is pushed with or without one.

    Args:
        version: the folder, with the metadata of the model.
        model: the Model.
        blessing: of the model.
        evaluation: of the model, with metrics.json and samples.png. If the metrics are missing or
            damaged, the card has those among its properties.
        examples: the images that it was judged on. If their report is missing or damaged, the card
            has nothing about them.
    """
    try:
        pushed = card.Card(
            number=model.id,
            about=card.About.model_validate_json((version / METADATA).read_bytes()),
            trained=_recorded_at(model),
            verdict="blessed",
            reason=blessing.get_string_custom_property(evaluator_names.REASON),
            promoted="",
            promoted_by="",
            parent=model.get_int_custom_property(trainer_names.STARTED_FROM) or None,
            images=_images(examples),
            judgement=card.read_judgement(
                _read(evaluation, evaluator_names.METRICS_JSON), _metrics(evaluation)
            ),
            samples=_read(evaluation, evaluator_names.SAMPLES_PNG),
        )
        card.write(pushed, version)
    except Exception as error:
        print_line(f"no model card was written: {first_line(error)}")


def _read(artifact: types.Artifact, name: str) -> bytes | None:
    """A file of an artifact; None if it cannot be read."""
    try:
        return (to_path(artifact.uri) / name).read_bytes()
    except OSError:
        return None


def _recorded_at(model: types.Artifact) -> datetime | None:
    """When the model was recorded, in the local time zone."""
    milliseconds = model.mlmd_artifact.create_time_since_epoch
    return datetime.fromtimestamp(milliseconds / 1000).astimezone() if milliseconds else None


def _images(examples: types.Artifact) -> card.Images | None:
    try:
        content = _read(examples, example_names.REJECTED_JSON)
        report = FileReport.model_validate_json(content or b"")
    except ValueError:
        return None
    return card.Images(
        source=examples.get_string_custom_property(example_names.INPUT_BASE),
        accepted=report.accepted,
        rejected=report.rejected,
        duplicates=report.duplicates,
        splits=report.splits,
        spans=_without_whole(sorted(report.by_span)),
    )


def _without_whole(spans: list[int]) -> list[int]:
    """The spans of a folder; none for one without, which counts as span 0."""
    return [] if spans == [0] else spans


def _metrics(evaluation: types.Artifact) -> dict[str, float]:
    """The metrics among the properties of an evaluation."""
    found = sorted(evaluation.mlmd_artifact.custom_properties.items())
    return {name: value.double_value for name, value in found if value.HasField("double_value")}
