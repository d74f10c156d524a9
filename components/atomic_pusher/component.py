"""AtomicPusher: pushes like TFX's Pusher, but readers never see an incomplete version."""

import functools
import json
from datetime import datetime
from typing import Any

from absl import logging
from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelEvaluation,
    PushedModel,
)
from tfx.utils import io_utils, path_utils

from components.atomic_pusher import card, names, versions
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import is_withdrawn
from components.sample_evaluator import names as evaluator_names
from trainer.common.progress_lines import print_line
from trainer.common.remote_path import AnyPath, to_path
from trainer.common.text import first_line
from trainer.serving import model_metadata


@component
def AtomicPusher(
    model: InputArtifact[Model],
    model_blessing: InputArtifact[ModelBlessing],
    evaluation: InputArtifact[ModelEvaluation],
    examples: InputArtifact[Examples],
    pushed_model: OutputArtifact[PushedModel],
    serving: Parameter[str],
    push: Parameter[str],
    teacher: InputArtifact[Model] = None,
) -> None:
    """Pushes a blessed model as a new highest version, with its model card.

    It is not pushed if it was withdrawn, or if it is a student whose teacher was: the faults of a
    teacher are those of its student. The arguments include no hash of the source, because a changed
    pusher must not push again.

    Args:
        model: the Model.
        model_blessing: of the model.
        evaluation: of the model, for its card.
        examples: the images that it was judged on, for its card.
        pushed_model: that of TFX's Pusher, with version.txt in place of a copy of the model.
        serving: the folder of the versions.
        push: not read: a changed value pushes again.
        teacher: that the model was distilled from; None for other models.
    """
    withdrawn = [each.uri for each in (model, teacher) if each and is_withdrawn(each)]
    if withdrawn or not model_utils.is_model_blessed(model_blessing):
        logging.info("The model is not pushed: %s", "withdrawn" if withdrawn else "not blessed")
        pushed_model.set_int_custom_property(names.PUSHED, 0)
        return
    source = path_utils.serving_model_path(model.uri)
    notes = {versions.MODEL_NOTE: model.id}
    if model.has_custom_property(trainer_names.TEACHER):
        notes[versions.TEACHER_NOTE] = model.get_int_custom_property(trainer_names.TEACHER)
    add_card = functools.partial(
        _write_card,
        model=model,
        blessing=model_blessing,
        evaluation=evaluation,
        examples=examples,
    )
    version = str(versions.publish(to_path(source), to_path(serving), notes, add_card))
    # Unlike TFX's Pusher, this makes no third copy beside the Model and the version. The file
    # keeps the folder, which TFX's cache requires, in existence on object stores.
    io_utils.write_string_file(f"{pushed_model.uri}/{names.VERSION_FILE}", version)
    pushed_model.set_int_custom_property(names.PUSHED, 1)
    pushed_model.set_string_custom_property(names.DESTINATION, version)
    pushed_model.set_string_custom_property(names.VERSION, version.rpartition("/")[2])
    logging.info("Pushed version %s.", version)


def _write_card(
    version: AnyPath,
    model: types.Artifact,
    blessing: types.Artifact,
    evaluation: types.Artifact,
    examples: types.Artifact,
) -> None:
    """Writes the card into a version, or prints why not: a model is pushed with or without one."""
    milliseconds = model.mlmd_artifact.create_time_since_epoch
    numbers = sorted(evaluation.mlmd_artifact.custom_properties.items())
    try:
        samples = to_path(evaluation.uri) / evaluator_names.SAMPLES_PNG
        pushed = card.Card(
            number=model.id,
            about=model_metadata.read(version, "shape").recorded,
            trained=datetime.fromtimestamp(milliseconds / 1000).astimezone(),
            verdict="blessed",
            reason=blessing.get_string_custom_property(evaluator_names.REASON),
            folder=examples.get_string_custom_property(example_names.INPUT_BASE),
            files=_read_json(examples, example_names.REJECTED_JSON),
            evaluation=_read_json(evaluation, evaluator_names.METRICS_JSON),
            metrics={name: n.double_value for name, n in numbers if n.HasField("double_value")},
            samples=samples.read_bytes() if samples.is_file() else None,
            parent=model.get_int_custom_property(trainer_names.STARTED_FROM) or None,
        )
        card.write(pushed, version)
    except Exception as error:
        print_line(f"no model card was written: {first_line(error)}")


def _read_json(artifact: types.Artifact, name: str) -> dict[str, Any]:
    """A file of an artifact; empty if it is missing."""
    file = to_path(artifact.uri) / name
    return json.loads(file.read_bytes()) if file.is_file() else {}
