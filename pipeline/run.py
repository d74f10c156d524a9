"""One run of the pipeline, from the configuration to the summary: `iadb run`."""

import logging
import os
import shutil
import time
from importlib import import_module
from pathlib import Path

from rich.console import Console

from components.features import check_available
from components.sample_evaluator import names as evaluator_names
from pipeline.config import ConfigError, PipelineConfig, require_folder
from pipeline.logs import logging_to
from pipeline.progress import showing
from pipeline.registry import lineage, serving
from pipeline.registry.outcome import recording
from pipeline.runners import gpu
from pipeline.schema import read_schema
from pipeline.terminal import NodeLines, print_summary
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write
from trainer.common.signals import exit_on_sigterm
from trainer.fit.tf_config import read_tf_config


def run_pipeline(
    config: PipelineConfig,
    workspace: Workspace,
    runner: str,
    console: Console,
    *,
    verbose: bool,
    result: Path | None = None,
) -> bool:
    """Runs the pipeline once, prints a summary and writes the result (registry/outcome.py).

    Args:
        config: of the run.
        workspace: of the run.
        runner: name of a module in pipeline/runners.
        console: to print on.
        verbose: show all logs on standard error.
        result: file for the result; by default one in the workspace, named like the log.

    Returns:
        Whether the model is blessed and not withdrawn.

    Raises:
        FeatureError: the weights of the feature space are missing or differ from the pinned ones.
        ConfigError: no folder of images is set, the workspace lies in it, the schema file is
            invalid, or TF_CONFIG names several workers.
        WorkspaceError: the workspace is in use, read-only or full.
        Exception: what the first failing node raised.
    """
    require_folder(config, workspace.folder)
    schema = read_schema(config.validation.schema_file)
    _refuse_cluster()
    check_available(config.evaluate.features)
    with workspace.locked():
        log = workspace.logs / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        console.print(f"[dim]log: {log}[/]", soft_wrap=True)
        lines = NodeLines(console)
        file = result or workspace.results / f"{log.stem}.json"
        with (
            logging_to(log, verbose=verbose, events=log.with_suffix(".jsonl")),
            recording(workspace, file, log, lines.run_ids),
            exit_on_sigterm(),
        ):
            # TensorFlow takes seconds to start: all checks of the configuration come first.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
            gpus = gpu.hide()
            run = _run(config, workspace, runner, schema, gpus, lines)
            live = serving.find_live(workspace.serving, run.model)
            if run.pushable and live is None:
                # TFX's cache holds the push, but the live version is another one, or missing.
                console.print("  the model is blessed but not live: pushing it again")
                live = _run(config, workspace, runner, schema, gpus, lines, push=log.stem).pushed
            if run.evaluation:
                _keep_report(run, workspace)
        print_summary(console, run, live, workspace)
    return run.pushable


def _refuse_cluster() -> None:
    """Rejects TF_CONFIG with several workers: only the first would find the artifacts."""
    try:
        nb_worker = read_tf_config().nb_worker
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if nb_worker > 1:
        raise ConfigError(
            f"TF_CONFIG names {nb_worker} workers, and `iadb run` trains in one process: unset it, "
            "or have each worker call trainer.run_fn.run_fn"
        )


def _run(
    config: PipelineConfig,
    workspace: Workspace,
    runner: str,
    schema: str,
    gpus: str | None,
    lines: NodeLines,
    push: str = "",
) -> lineage.Run:
    with showing(lines.console, "starting TensorFlow and TFX"):
        from tfx.orchestration.metadata import sqlite_metadata_connection_config

        from pipeline.graph import Locations, create_pipeline

        locations = Locations(
            artifacts=str(workspace.artifacts),
            checkpoints=str(workspace.checkpoints),
            serving=str(workspace.serving),
            push=push,
        )
        metadata = sqlite_metadata_connection_config(str(workspace.metadata))
        pipeline = create_pipeline(config, locations, schema, metadata)
        run = import_module(f"pipeline.runners.{runner}").run
    try:
        run(pipeline, lines, gpus)
    except BaseException:
        logging.exception("The run failed.")
        # Runners wrap the error of a node, which is the clearer one.
        if lines.error is None:
            raise
        raise lines.error from None
    (made,) = lineage.runs(lineage.connect(workspace.metadata), last=1)
    return made


def _keep_report(run: lineage.Run, workspace: Workspace) -> None:
    """Copies the report to the workspace, under the evaluation's number and as the latest."""
    for name in (f"{run.evaluation.name}.html", "latest.html"):
        with atomic_write(workspace.reports / name) as partial:
            shutil.copyfile(run.evaluation / evaluator_names.REPORT_HTML, partial)
