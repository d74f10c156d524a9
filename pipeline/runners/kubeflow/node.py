"""Runs one node of a TFX pipeline and exits: what a task's container does.

    python -m pipeline.runners.kubeflow.node --node ID --ir JSON --run-id ID
        [--parameter NAME VALUE]... [--show OUTPUT HTML PAGE EXECUTOR_INPUT]

The node is run by TFX's own Launcher, so that resolvers, spans, cache and lineage are as they are
in a local run. The metadata database is in the environment (metadata_database.py).
"""

import argparse
import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from absl import logging
from google.protobuf import json_format, message
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.compiler import constants
from tfx.dsl.io import fileio
from tfx.orchestration.local import runner_utils
from tfx.orchestration.metadata import Metadata
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import pipeline_pb2

from trainer.common import exit_codes

# Kinds of specifications that a pipeline's JSON holds as Any, and their parser has to know.
from tfx.proto.orchestration import executable_spec_pb2, platform_config_pb2  # noqa: F401 isort: skip

from pipeline import failures
from pipeline.runners.kubeflow.messages import nested
from pipeline.runners.kubeflow.metadata_store import metadata_from_environment
from pipeline.runners.observed import NodeError
from trainer.common.signals import exit_on_sigterm


def _integer(text: str) -> int:
    """Parses a number that Kubeflow may have turned into a float on its way: 3.0, 1e+06."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


PARSERS = {
    pipeline_pb2.RuntimeParameter.INT: _integer,
    pipeline_pb2.RuntimeParameter.DOUBLE: float,
    pipeline_pb2.RuntimeParameter.STRING: str,
}
OUTPUT_EVENTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


class ArgumentsError(ValueError):
    """The container's arguments do not belong together: those of another version, or by hand."""

    exit_code = exit_codes.USAGE


class FreshOutputsLauncher(launcher.Launcher):
    """TFX's Launcher, which a pod that was retried may find its predecessor's files with."""

    def _run_executor(self, execution_info: data_types.ExecutionInfo) -> message.Message:
        for artifacts in execution_info.output_dict.values():
            for artifact in artifacts:
                if not artifact.is_external and fileio.isdir(artifact.uri):
                    fileio.rmtree(artifact.uri)
        return super()._run_executor(execution_info)


def runtime_parameters(ir: message.Message) -> dict[str, pipeline_pb2.RuntimeParameter]:
    """The runtime parameters in a part of a pipeline, by name."""
    found = (part for part in nested(ir) if isinstance(part, pipeline_pb2.RuntimeParameter))
    return {parameter.name: parameter for parameter in found}


def read_node(
    text: str, node_id: str, run_id: str, given: Sequence[tuple[str, str]]
) -> pipeline_pb2.Pipeline:
    """Parses the pipeline of one node and puts the runtime parameters in.

    Args:
        text: of the pipeline, as JSON.
        node_id: of its node.
        run_id: of this run.
        given: names and values of runtime parameters.

    Raises:
        ArgumentsError: the text is no pipeline, has no such node, the run has no id, or a parameter
            does not fit.
    """
    if "{{" in run_id:
        raise ArgumentsError(f"--run-id {run_id}: Kubeflow has not filled it in")
    try:
        pipeline = json_format.Parse(text, pipeline_pb2.Pipeline())
    except (json_format.ParseError, TypeError) as error:
        raise ArgumentsError(f"--ir is no TFX pipeline: {error}") from None
    there = [node.pipeline_node.node_info.id for node in pipeline.nodes]
    if there != [node_id]:
        raise ArgumentsError(f"unknown to the pipeline in --ir, which has {', '.join(there)}")
    known = runtime_parameters(pipeline)
    values: dict[str, types.Property] = {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    for name, value in given:
        if name not in known:
            raise ArgumentsError(f"no runtime parameter {name}; there are {', '.join(known)}")
        try:
            values[name] = PARSERS[known[name].type](value)
        except (ValueError, OverflowError):
            raise ArgumentsError(
                f"{name}={value!r} is no number of the kind it has to be"
            ) from None
    runtime_parameter_utils.substitute_runtime_parameter(pipeline, values)
    if without := runtime_parameters(pipeline):
        raise ArgumentsError(f"no value for {', '.join(without)}")
    return pipeline


def run_node(pipeline: pipeline_pb2.Pipeline, store: Metadata) -> int | None:
    """Runs the node of a pipeline of one node, and says how it ended.

    Returns:
        The id of its execution; None where it was skipped.

    Raises:
        NodeError: its inputs cannot be resolved.
        Exception: what its executor raised.
    """
    node = pipeline.nodes[0].pipeline_node
    node_id = node.node_info.id
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    executor = runner_utils.extract_executor_spec(deployment, node_id)
    if executor is None and (done := _end_earlier_attempts(node, store)):
        print(f"{node_id}: complete, by an earlier attempt", flush=True)
        return done
    info = FreshOutputsLauncher(
        node,
        store,
        pipeline.pipeline_info,
        pipeline.runtime_spec,
        executor,
        runner_utils.extract_custom_driver_spec(deployment, node_id),
    ).launch()
    if info.execution_id is None:
        print(f"{node_id}: skipped, since its condition is false", flush=True)
        return None
    with store:
        (execution,) = store.store.get_executions_by_id([info.execution_id])
    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state).lower()
    # TFX logs an input that is not there, and its launcher returns. A resolver may find nothing:
    # TFX says so of a store without any artifact of the kind.
    if execution.last_known_state == metadata_store_pb2.Execution.FAILED:
        if executor is None:
            state = "nothing found"
        elif skipped := _skipped_before(pipeline, store):
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
            with store:
                store.store.put_executions([execution])
            print(f"{node_id}: skipped, since {', '.join(skipped)} was skipped", flush=True)
            return None
        else:
            raise NodeError("its inputs could not be resolved; see the log above")
    print(f"{node_id}: {state}", flush=True)
    return execution.id


def _end_earlier_attempts(node: pipeline_pb2.PipelineNode, store: Metadata) -> int | None:
    """Finds what earlier pods did for a resolver or importer, which would do it once more.

    Returns:
        The execution of one that came to its end. Those that did not are marked as canceled.
    """
    with store:
        contexts = context_lib.prepare_contexts(store, node.contexts)
        earlier = execution_lib.get_executions_associated_with_all_contexts(store, contexts)
        for execution in earlier:
            if execution_lib.is_execution_successful(execution):
                return execution.id
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        if earlier:
            store.store.put_executions(earlier)
    return None


def _skipped_before(pipeline: pipeline_pb2.Pipeline, store: Metadata) -> list[str]:
    """Names the upstream nodes that did nothing in this run, although Kubeflow ran them before."""
    node = pipeline.nodes[0].pipeline_node
    run_id = pipeline.runtime_spec.pipeline_run_id.field_value.string_value
    with store:
        run = store.store.get_context_by_type_and_name("pipeline_run", run_id)
        active = {
            context.name
            for execution in store.store.get_executions_by_context(run.id)
            if not execution_lib.is_execution_canceled(execution)
            for context in store.store.get_contexts_by_execution(execution.id)
        }
    names = {other: f"{pipeline.pipeline_info.id}.{other}" for other in node.upstream_nodes}
    return [other for other, name in names.items() if name not in active]


def show(
    store: Metadata, execution: int, output: str, html: str, page: str, executor_input: str
) -> None:
    """Hands a page and the numbers of an output artifact to Kubeflow's own view.

    Args:
        store: of the metadata.
        execution: id of that which made the artifact, or found it in the cache.
        output: key of the artifact; its custom properties that are floats are the numbers.
        html: name of the page in the artifact's folder.
        page: where Kubeflow takes the page from.
        executor_input: what Kubeflow tells about the outputs of the task, as JSON.
    """
    with store:
        (artifact,) = store.store.get_artifacts_by_id(
            [
                event.artifact_id
                for event in store.store.get_events_by_execution_ids([execution])
                if event.type in OUTPUT_EVENTS and event.path.steps[0].key == output
            ]
        )
    if fileio.exists(os.path.join(artifact.uri, html)):
        fileio.makedirs(os.path.dirname(page))
        fileio.copy(os.path.join(artifact.uri, html), page, overwrite=True)
    outputs = json.loads(executor_input)["outputs"]
    (metrics,) = outputs["artifacts"]["metrics"]["artifacts"]
    metrics["metadata"] = {
        name: value.double_value
        for name, value in sorted(artifact.custom_properties.items())
        if value.HasField("double_value") and math.isfinite(value.double_value)
    }
    fileio.makedirs(os.path.dirname(outputs["outputFile"]))
    with fileio.open(outputs["outputFile"], "w") as file:
        file.write(json.dumps({"artifacts": {"metrics": {"artifacts": [metrics]}}}))


def main(arguments: Sequence[str]) -> int:
    """Runs the node that the arguments name.

    Returns:
        The exit code: 0, or by the cause of a failure, which the last line of output tells.
    """
    parser = argparse.ArgumentParser(prog="kubeflow_node", allow_abbrev=False)
    parser.add_argument("--node", required=True)
    parser.add_argument("--ir", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--parameter", nargs=2, action="append", default=[])
    parser.add_argument("--show", nargs=4, metavar=("OUTPUT", "HTML", "PAGE", "EXECUTOR_INPUT"))
    given = parser.parse_args(arguments)
    logging.set_verbosity(logging.WARNING)
    warnings.simplefilter("ignore", DeprecationWarning)  # TFX's own
    try:
        with exit_on_sigterm():
            pipeline = read_node(given.ir, given.node, given.run_id, given.parameter)
            store = metadata_from_environment()
            execution = run_node(pipeline, store)
            if given.show and execution is not None:
                show(store, execution, *given.show)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        code, text = failures.describe(error)
        if code == exit_codes.UNEXPECTED:
            traceback.print_exc()
        print(f"{given.node}: {text}", file=sys.stderr, flush=True)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
