"""Runs one node of a TFX pipeline, in the container of a task (task.py).

    python -m pipeline.runners.kubeflow.node --node ID --ir JSON --run-id ID
        [--parameter NAME VALUE]... [--show OUTPUT HTML PAGE EXECUTOR_INPUT]

TFX's own Launcher runs the node, so that resolvers, spans, cache and lineage work as in a local
run. The environment names the metadata database (pipeline/metadata/database.py).
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

# The types of specifications in a pipeline's JSON that are Any: their parser must know them.
from tfx.proto.orchestration import executable_spec_pb2, platform_config_pb2  # noqa: F401 isort: skip

from pipeline import failures
from pipeline.metadata.database import PATIENCE_SECONDS, Database
from pipeline.metadata.messages import nested
from pipeline.runners.kubeflow.metadata_store import PostgreSQLMetadata
from pipeline.runners.observed import NodeError, clear
from trainer.common import exit_codes
from trainer.common.progress_lines import printing
from trainer.common.signals import stop_on_signals
from trainer.light import gpus

TYPES = {
    pipeline_pb2.RuntimeParameter.INT: int,
    pipeline_pb2.RuntimeParameter.DOUBLE: float,
    pipeline_pb2.RuntimeParameter.STRING: str,
}
OUTPUT_EVENTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


class ArgumentsError(ValueError):
    """The container's arguments do not match: written by hand, or for another version."""

    exit_code = exit_codes.USAGE


class FreshOutputsLauncher(launcher.Launcher):
    """TFX's Launcher; it removes the files that an earlier attempt of the pod left."""

    def _run_executor(self, execution_info: data_types.ExecutionInfo) -> message.Message:
        clear(execution_info.output_dict)
        return super()._run_executor(execution_info)


def runtime_parameters(ir: message.Message) -> dict[str, pipeline_pb2.RuntimeParameter]:
    """The runtime parameters of a part of a pipeline, by name."""
    found = (part for part in nested(ir) if isinstance(part, pipeline_pb2.RuntimeParameter))
    return {parameter.name: parameter for parameter in found}


def read_node(
    text: str, node_id: str, run_id: str, given: Sequence[tuple[str, str]]
) -> pipeline_pb2.Pipeline:
    """Parses the pipeline of one node and substitutes its runtime parameters.

    Args:
        text: the pipeline, as JSON.
        node_id: of its node.
        run_id: of this run.
        given: names and values of runtime parameters.

    Raises:
        ArgumentsError: the text is not a pipeline of that node, the run has no id, or a parameter
            is unknown, missing or not valid.
    """
    if "{{" in run_id:
        raise ArgumentsError(f"--run-id {run_id}: Kubeflow did not substitute the placeholder")
    try:
        pipeline = json_format.Parse(text, pipeline_pb2.Pipeline())
    except (json_format.ParseError, TypeError) as error:
        raise ArgumentsError(f"--ir is not a TFX pipeline: {error}") from None
    nodes = [node.pipeline_node.node_info.id for node in pipeline.nodes]
    if nodes != [node_id]:
        raise ArgumentsError(f"not in the pipeline of --ir, which has {', '.join(nodes)}")
    known = runtime_parameters(pipeline)
    values: dict[str, types.Property] = {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    for name, value in given:
        if name not in known:
            raise ArgumentsError(f"no runtime parameter {name}; there are {', '.join(known)}")
        kind = TYPES[known[name].type]
        try:
            values[name] = _parse(value, kind)
        except ValueError:
            raise ArgumentsError(f"{name}={value!r}: expected {kind.__name__}") from None
    runtime_parameter_utils.substitute_runtime_parameter(pipeline, values)
    if missing := runtime_parameters(pipeline):
        raise ArgumentsError(f"no value for {', '.join(missing)}")
    return pipeline


def _parse(text: str, kind: type) -> types.Property:
    """Parses a value; Kubeflow may write an integer as a float, such as 3.0 or 1e+06."""
    if kind is str:
        return text
    number = float(text)
    if kind is int and not number.is_integer():
        raise ValueError(text)
    return kind(number)


def run_node(pipeline: pipeline_pb2.Pipeline, store: Metadata) -> tuple[str, int | None]:
    """Runs the node of a pipeline of one node.

    Returns:
        Its outcome, for a log, and the id of its execution; None if it was skipped.

    Raises:
        NodeError: its inputs cannot be resolved.
        Exception: raised by its executor.
    """
    node = pipeline.nodes[0].pipeline_node
    node_id = node.node_info.id
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    executor = runner_utils.extract_executor_spec(deployment, node_id)
    if executor is None and (done := _end_earlier_attempts(node, store)):
        return "complete, by an earlier attempt", done
    info = FreshOutputsLauncher(
        node,
        store,
        pipeline.pipeline_info,
        pipeline.runtime_spec,
        executor,
        runner_utils.extract_custom_driver_spec(deployment, node_id),
    ).launch()
    if info.execution_id is None:
        return "skipped, since its condition is false", None
    with store:
        (execution,) = store.store.get_executions_by_id([info.execution_id])
    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state).lower()
    # TFX logs a missing input as a failure, and its launcher returns.
    if execution.last_known_state != metadata_store_pb2.Execution.FAILED:
        return state, execution.id
    if executor is None:  # a resolver may find nothing
        return "nothing found", execution.id
    if not (skipped := _skipped_before(pipeline, store)):
        raise NodeError("its inputs could not be resolved; see the log above")
    _cancel([execution], store)
    return f"skipped, since {', '.join(skipped)} was skipped", None


def _cancel(executions: Sequence[metadata_store_pb2.Execution], store: Metadata) -> None:
    for execution in executions:
        execution.last_known_state = metadata_store_pb2.Execution.CANCELED
    with store:
        store.store.put_executions(executions)


def _end_earlier_attempts(node: pipeline_pb2.PipelineNode, store: Metadata) -> int | None:
    """Cancels unfinished executions of a resolver or importer, left by earlier pods of the task.

    Returns:
        The id of an execution that did finish, if any: it must not run twice.
    """
    with store:
        contexts = context_lib.prepare_contexts(store, node.contexts)
        earlier = execution_lib.get_executions_associated_with_all_contexts(store, contexts)
    for execution in earlier:
        if execution_lib.is_execution_successful(execution):
            return execution.id
    if earlier:
        _cancel(earlier, store)
    return None


def _skipped_before(pipeline: pipeline_pb2.Pipeline, store: Metadata) -> list[str]:
    """The upstream nodes that were skipped in this run, although their tasks succeeded."""
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
    prefix = pipeline.pipeline_info.id
    return [other for other in node.upstream_nodes if f"{prefix}.{other}" not in active]


def show(
    store: Metadata, execution: int, output: str, html: str, page: str, executor_input: str
) -> None:
    """Passes a page and the metrics of an output artifact to Kubeflow's own view.

    Args:
        store: of the metadata.
        execution: id of the execution that created the artifact or found it in the cache.
        output: key of the artifact; its custom properties that are floats are the metrics.
        html: name of the page in the artifact's folder.
        page: path from which Kubeflow takes the page.
        executor_input: Kubeflow's description of the task's outputs, as JSON.
    """
    with store:
        (artifact,) = store.store.get_artifacts_by_id(
            [
                event.artifact_id
                for event in store.store.get_events_by_execution_ids([execution])
                if event.type in OUTPUT_EVENTS and event.path.steps[0].key == output
            ]
        )
    if fileio.exists(source := os.path.join(artifact.uri, html)):
        fileio.makedirs(os.path.dirname(page))
        fileio.copy(source, page, overwrite=True)
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
        The exit code: 0, or the code of a failure, whose cause is the last line of output.
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
    if idle := gpus.why_idle():
        print(f"{given.node}: {idle}", flush=True)
    try:
        with failures.resumable(), stop_on_signals():
            pipeline = read_node(given.ir, given.node, given.run_id, given.parameter)
            database = Database.of_url(patience_seconds=PATIENCE_SECONDS)
            store = PostgreSQLMetadata(database)
            with database.files_used(f"{given.node} of run {given.run_id}"):
                with printing(given.node):
                    outcome, execution = run_node(pipeline, store)
                print(f"{given.node}: {outcome}", flush=True)
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
