"""Pushes like TFX's Pusher, but readers never see an incomplete version; with a model card."""

import functools
import json
from datetime import datetime
from typing import Any

from absl import logging
from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from components.atomic_pusher import card, names, versions
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.resolvers.withdrawal import is_withdrawn
from components.sample_evaluator import names as evaluator_names
from trainer.common.progress_lines import print_line
from trainer.common.remote_path import AnyPath, to_path
from trainer.common.text import first_line
from trainer.serving import model_metadata


class Executor(executor.Executor):
    """Executor of AtomicPusher."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes a blessed model as a new highest version, with its model card.

        It is not pushed if it was withdrawn, or if it is a student whose teacher was.
        """
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        serving = destination.filesystem.base_directory
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        source = self.GetModelPath(input_dict)
        notes = {versions.MODEL_NOTE: model.id}
        if model.has_custom_property(trainer_names.TEACHER):
            notes[versions.TEACHER_NOTE] = model.get_int_custom_property(trainer_names.TEACHER)
        add_card = functools.partial(
            _write_card,
            model=model,
            blessing=artifact_utils.get_single_instance(
                input_dict[standard_component_specs.MODEL_BLESSING_KEY]
            ),
            evaluation=artifact_utils.get_single_instance(input_dict[evaluator_names.EVALUATION]),
            examples=artifact_utils.get_single_instance(input_dict[example_names.EXAMPLES]),
        )
        version = str(versions.publish(to_path(source), to_path(serving), notes, add_card))
        # Unlike TFX's Pusher, this makes no third copy beside the Model and the version. The file
        # keeps the folder, which TFX's cache requires, in existence on object stores.
        io_utils.write_string_file(f"{pushed.uri}/{names.VERSION_FILE}", version)
        self._MarkPushed(pushed, version, version.rpartition("/")[2])
        logging.info("Pushed version %s.", version)

    def CheckBlessing(self, input_dict: dict[str, list[types.Artifact]]) -> bool:
        """Whether the model may be pushed: the faults of a teacher are those of its student."""
        teacher = input_dict.get(names.TEACHER) or []
        for model in (*input_dict[standard_component_specs.MODEL_KEY], *teacher):
            if is_withdrawn(model):
                logging.info("The model on %s was withdrawn.", model.uri)
                return False
        return super().CheckBlessing(input_dict)


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
            about=model_metadata.parse((version / versions.METADATA).read_text("utf-8"), "shape"),
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
