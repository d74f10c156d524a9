"""One run from a configuration to a summary: what `iadb run` does."""

import logging
import os
import shutil
import time
from importlib import import_module
from pathlib import Path

from rich.console import Console

from components.features import check_available
from components.image_example_gen import names as example_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config import ConfigError, PipelineConfig, require_folder
from pipeline.logs import logging_to
from pipeline.registry import lineage, serving
from pipeline.runners import gpu
from pipeline.schema import read_schema
from pipeline.terminal import NodeLines, print_summary
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write
from trainer.fit.tf_config import read_tf_config


def run_pipeline(
    config: PipelineConfig, workspace: Workspace, runner: str, console: Console, *, verbose: bool
) -> bool:
    """Runs the pipeline once and prints what came out.

    Returns:
        Whether the model was blessed, and not withdrawn since.

    Raises:
        FeatureError: the weights of the feature space are missing or not those that are pinned.
        ConfigError: no folder of images is set, the workspace lies in it, the schema file is
            none, or TF_CONFIG names several workers.
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
        with logging_to(log, verbose=verbose, events=log.with_suffix(".jsonl")):
            # TensorFlow's start-up takes seconds: it comes after all that can be wrong before.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
            gpus = gpu.hide()
            run = _run(config, workspace, runner, schema, gpus, NodeLines(console))
            pushable = bool(run.blessed) and run.withdrawn is None
            live = serving.find_live(workspace.serving, run.model)
            if pushable and live is None:
                # The cache takes the model for pushed, and something else is live, or nothing.
                console.print("  the model is blessed and not live: pushing it again")
                lines = NodeLines(console)
                live = _run(config, workspace, runner, schema, gpus, lines, push=log.stem).pushed
            _log_verdict(run, live)
        if run.evaluation:
            _keep_report(run, workspace)
        print_summary(console, run, live, workspace)
    return pushable


def _refuse_cluster() -> None:
    """Of several workers, none but the first would find the pipeline's artifacts."""
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
    try:
        import_module(f"pipeline.runners.{runner}").run(pipeline, lines, gpus)
    except BaseException:
        logging.exception("The run failed.")
        # Runners wrap what a node raised; the node's own error says it best.
        if lines.error is None:
            raise
        raise lines.error from None
    (run,) = lineage.runs(lineage.connect(workspace.metadata), last=1)
    return run


def _log_verdict(run: lineage.Run, live: Path | None) -> None:
    verdict = {
        "run": run.id,
        "images": run.images(example_names.ACCEPTED),
        "blessed": run.blessed,
        "withdrawn": run.withdrawn,
        "live": live and live.name,
    }
    logging.info("The run has ended: %s.", verdict, extra={"event": verdict})


def _keep_report(run: lineage.Run, workspace: Workspace) -> None:
    """Copies the report to where a person looks: by the evaluation's number, and as the latest."""
    for name in (f"{run.evaluation.name}.html", "latest.html"):
        with atomic_write(workspace.reports / name) as partial:
            shutil.copyfile(run.evaluation / evaluator_names.REPORT_HTML, partial)
