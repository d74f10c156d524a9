"""The driver of ImageExampleGen on Vertex AI, which runs it as a command before a cache lookup.

Vertex AI replaces the execution properties of the component by the driver's output.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.components.example_gen import driver, utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as entrypoint
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.image_example_gen import names
from components.image_example_gen.driver import Driver
from components.image_example_gen.errors import ImageDataError

RESOLVED = (
    utils.SPAN_PROPERTY_NAME,
    utils.VERSION_PROPERTY_NAME,
    utils.FINGERPRINT_PROPERTY_NAME,
    names.WINDOW,
    names.SOURCE_WINDOW,
)


def resolve(
    executor_input: pipeline_spec_pb2.ExecutorInput,
    inputs_spec: pipeline_spec_pb2.ComponentInputsSpec,
) -> pipeline_spec_pb2.ExecutorOutput:
    """Finds the spans of the window and a fingerprint of their files.

    Args:
        executor_input: the execution properties and the output artifact.
        inputs_spec: types of the properties.

    Raises:
        ImageDataError: as the Driver does.
    """
    properties: dict[str, Any] = entrypoint.parse_execution_properties(
        executor_input.inputs.parameter_values, executor_input.inputs.parameters, inputs_spec
    )
    properties = Driver(None).resolve_exec_properties(properties, None, None)
    name_from_id: dict[int, str] = {}
    outputs = entrypoint.parse_raw_artifact_dict(executor_input.outputs.artifacts, name_from_id)
    examples = artifact_utils.get_single_instance(outputs[names.EXAMPLES])
    driver.update_output_artifact(properties, examples.mlmd_artifact)
    examples.set_string_custom_property(names.INPUT_BASE, properties[names.INPUT_BASE])
    resolved = {key: properties[key] for key in RESOLVED if properties[key] is not None}
    output = pipeline_spec_pb2.ExecutorOutput()
    json_format.ParseDict({"parameterValues": resolved}, output)
    output.artifacts[names.EXAMPLES].artifacts.append(
        entrypoint.to_runtime_artifact(examples, name_from_id)
    )
    return output


def main(arguments: Sequence[str]) -> int:
    """Runs the driver on Vertex AI's arguments; ignores those for Beam."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    given, _ = parser.parse_known_args(arguments)
    executor_input = json_format.Parse(
        given.json_serialized_invocation_args,
        pipeline_spec_pb2.ExecutorInput(),
        ignore_unknown_fields=True,
    )
    inputs_spec = json_format.Parse(
        given.json_serialized_inputs_spec_args,
        pipeline_spec_pb2.ComponentInputsSpec(),
        ignore_unknown_fields=True,
    )
    try:
        output = resolve(executor_input, inputs_spec)
    except ImageDataError as error:
        print(error, file=sys.stderr)
        return 1
    uri = executor_input.outputs.output_file
    io_utils.write_string_file(uri, json_format.MessageToJson(output, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
