"""One run of the pipeline, from the configuration to the summary: `iadb run`."""

import logging
import os
import sqlite3
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.features import check_available
from components.garbage import without_garbage_collection
from components.image_example_gen.pattern import has_spans
from components.image_example_gen.spans import Listings
from components.sample_evaluator.verdict.plan import announce
from pipeline import failures
from pipeline.choosing.machine import this_machine
from pipeline.config.pipeline_config import ConfigError, PipelineConfig, require_runnable
from pipeline.config.sections import find_sources, require_folder
from pipeline.console.node_lines import NodeLines
from pipeline.console.progress import showing
from pipeline.features import with_chosen_features
from pipeline.held_out import held_out, trained
from pipeline.logs import logging_to
from pipeline.registry import lineage, read_files
from pipeline.registry.journal import Journal
from pipeline.registry.outcome import find_version, recording
from pipeline.results.kept import keep_if_decided, keep_results
from pipeline.results.summary import print_log, print_summary
from pipeline.schema import read_schema
from pipeline.space import check_space
from pipeline.workspace import Locations, Workspace, WorkspaceError
from trainer.common.signals import stop_on_signals
from trainer.fit.tf_config import read_tf_config
from trainer.light import gpus
from trainer.options import TrainOptions

MOVED = (
    "the workspace was moved or copied: its nodes run once more, since they are cached by paths; a "
    "training ends at once if its last checkpoint is there"
)

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


def run_pipeline(
    config: PipelineConfig,
    workspace: Workspace,
    runner: str,
    console: Console,
    *,
    verbose: bool,
    result: Path | None = None,
    check: int | None = None,
    listings: Listings | None = None,
) -> bool:
    """Runs the pipeline once, prints a summary and writes the result (registry/outcome.py).

    Once a model was judged, its images count as read (registry/read_files.py), also if its student
    fails.

    Args:
        config: of the run.
        workspace: of the run.
        runner: name of a module in pipeline/runners.
        console: to print on.
        verbose: show all logs on standard error.
        result: file for the result; by default one in the workspace, named like the log.
        check: number of the check for new data that started the run; None for a person.
        listings: of folders that were listed for the configuration.

    Returns:
        Whether the model is blessed and not withdrawn.

    Raises:
        FeatureError: the weights of the feature space are missing or differ from the pinned ones.
        ImageDataError: a local folder, or the newest span to read, is missing or has no images.
        ConfigError: no folder of images is set, the workspace lies in it, the schema file is
            invalid, TF_CONFIG names several workers, or the GPUs cannot share a training.
        WorkspaceError: the workspace is in use or read-only, or its disk has not the space that the
            run needs.
        Exception: what the first failing node raised.
    """
    config, schema = _prepare(config, workspace, console)
    listings = listings or Listings()
    images, *others = find_sources(config.data)
    found = read_files.snapshots(images, listings.of(images))  # what comes later is new
    count = sum(len(listings.of(each).images) for each in (images, *others))
    with listings, workspace.locked():
        if lineage.follow_move(lineage.connect(workspace.metadata), workspace):
            console.print(f"  {MOVED}", soft_wrap=True)
        log = workspace.logs / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        print_log(console, log)
        _tell_of_kill(workspace, console)
        lines = NodeLines(
            console,
            lambda run_id: _claim(workspace, check, run_id),
            lambda: _announce(config, workspace),
        )
        file = result or workspace.results / f"{log.stem}.json"
        with (
            logging_to(log, verbose=verbose, events=log.with_suffix(".jsonl")),
            recording(workspace, file, log, lines.run_ids),
            stop_on_signals(),
        ):
            # TensorFlow takes seconds to start: all checks of the configuration come first.
            prepare_tensorflow(console)
            journal = Journal(workspace.journal, config.data.folder)
            check_space(config, workspace, count)
            try:
                run = _run(config, workspace, runner, schema, lines)
            except Exception:
                keep_if_decided(lines.run_ids, journal, workspace, found, console)
                raise
            live = find_version(run, workspace.serving)
            if run.pushable and live is None:
                # TFX's cache holds the push, but the live version is another one, or missing.
                console.print("  the model is blessed but not live: pushing it again")
                again = _run(config, workspace, runner, schema, lines, push=log.stem)
                live = again.served.pushed
            keep_results(run, journal, workspace, found, console)
        print_summary(console, run, live, workspace)
    return run.pushable


def _prepare(
    config: PipelineConfig, workspace: Workspace, console: Console
) -> tuple[PipelineConfig, str]:
    """Checks all that can be checked before anything starts.

    Returns:
        The configuration with a feature space by name, and the schema.
    """
    require_folder(config.data, workspace.folder)
    require_runnable(config)
    schema = read_schema(
        config.validation.schema_file, paired=config.data.paired_source is not None
    )
    refuse_cluster("iadb run")
    check_gpus(config.train)
    config = with_chosen_features(config)
    check_available(config.evaluate.features)
    return _without_held(config, workspace, console), schema


def _without_held(config: PipelineConfig, workspace: Workspace, console: Console) -> PipelineConfig:
    """Leaves out the spans that are held for review, unless data.span names one; says so.

    Raises:
        WorkspaceError: what is held cannot be read.
    """
    data = config.data
    if not has_spans(data.pattern):
        return config
    try:
        unreleased = Journal(workspace.journal, data.folder).unreleased()
    except (OSError, sqlite3.Error) as error:
        raise WorkspaceError(
            f"{workspace.journal} cannot be read, so it is not known which spans are held: "
            f"{failures.describe(error)[1]}"
        ) from None
    held = {*unreleased} - {data.span, *data.exclude}
    if not held:
        return config
    numbers = " ".join(map(str, sorted(held)))
    line = f"  held, and not read: span {numbers}; to accept: iadb spans release {numbers}"
    console.print(line, markup=False, soft_wrap=True)
    exclude = tuple(sorted({*data.exclude, *held}))
    return config.model_copy(update={"data": data.model_copy(update={"exclude": exclude})})


def refuse_cluster(command: str) -> None:
    """Rejects TF_CONFIG with several workers: only the first would find the artifacts.

    Raises:
        ConfigError: there are several, or the variable is not valid.
    """
    try:
        nb_worker = read_tf_config().nb_worker
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if nb_worker > 1:
        raise ConfigError(
            f"TF_CONFIG names {nb_worker} workers, and `{command}` trains in one process: unset "
            "it, or have each worker call trainer.run_fn.run_fn"
        )


def prepare_tensorflow(console: Console) -> None:
    """Has TensorFlow, before it starts, take the memory of GPUs as needed, and log no details."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if gpus.find() and not gpus.has_libraries():
        console.print(f"  {gpus.MISSING_LIBRARIES}", soft_wrap=True)


def check_gpus(options: TrainOptions) -> None:
    """Checks that the GPUs of this machine can share a training, which would only fail late.

    Raises:
        ConfigError: they cannot.
    """
    count = this_machine().gpus
    fewer = f"or hide GPUs with {gpus.VISIBLE}"
    if count and options.batch_size % count:
        raise ConfigError(
            f"train.batch_size={options.batch_size} is not divisible by the {count} GPUs that "
            f"share a batch: set it to a multiple of {count}, {fewer}"
        )
    if count > 1 and options.accumulate > 1:
        raise ConfigError(
            f"train.accumulate={options.accumulate} needs a single GPU, but there are {count}: set "
            f"it to 1, {fewer}"
        )


def _tell_of_kill(workspace: Workspace, console: Console) -> None:
    """Says that the last run left no result, if it was killed: nothing else of it can say so."""
    if not workspace.metadata.exists():
        return
    last = lineage.runs(lineage.connect(workspace.metadata), last=1)
    if last and last[0].result is None:
        for node in last[0].nodes:
            if node.state == "interrupted":  # nothing runs: this process holds the workspace
                text = f"the last run ended in {node.id} without a result: the disk was full, the "
                text += f"power failed, or it was {failures.describe_kill(node.id)}"
                console.print(f"  {text}", soft_wrap=True)


def _claim(workspace: Workspace, check: int | None, run_id: str) -> None:
    """Records at once which check a run is of, for the case that both are killed."""
    if check is not None:
        try:
            Journal(workspace.journal).claim(check, run_id)
        except (OSError, sqlite3.Error):
            logging.exception("The journal cannot record that check %d started this run.", check)


def _announce(config: PipelineConfig, workspace: Workspace) -> list[str]:
    """Says what is unusual about the images, and what will be judged by them.

    Nothing about the latter if their report is missing.
    """
    (run,) = lineage.runs(lineage.connect(workspace.metadata), last=1)
    lines = run.image_remarks
    try:
        images = sources = held_out(run)
        if config.data.unpaired_source:
            sources = held_out(run, sources=True)
        to_train = trained(run)
    except (KeyError, OSError, ValueError):
        logging.exception("The report on the images cannot be read.")
        return lines
    lines += announce(config.evaluate, min(images, sources), config.data.shape, to_train)
    if sources < images:
        lines.append(f"as many as sources are held out, each of which has one result: {sources:,}")
    return lines


def _run(
    config: PipelineConfig,
    workspace: Workspace,
    runner: str,
    schema: str,
    lines: NodeLines,
    push: str = "",
) -> lineage.Run:
    with (
        showing(lines.console, "starting TensorFlow and TFX"),
        without_garbage_collection(),
    ):
        from tfx.orchestration.metadata import sqlite_metadata_connection_config

        from pipeline.graph import create_pipeline

        locations = Locations.of(workspace, push)
        metadata = sqlite_metadata_connection_config(str(workspace.metadata))
        pipeline = create_pipeline(config, locations, schema, metadata)
    return launch(pipeline, runner, lines, workspace)


def launch(
    pipeline: "Pipeline", runner: str, lines: NodeLines, workspace: Workspace
) -> lineage.Run:
    """Runs a TFX pipeline in a workspace and returns its record.

    Args:
        pipeline: its metadata are those of the workspace.
        runner: name of a module in pipeline/runners.
        lines: receives the progress.
        workspace: of the run.

    Raises:
        Exception: what the first failing node raised.
    """
    try:
        import_module(f"pipeline.runners.{runner}").run(pipeline, lines)
    except BaseException as error:
        # Runners wrap the error of a node, which is the clearer one.
        cause = lines.error or error
        logging.exception("The run failed: %s", failures.describe(cause)[1])
        if cause is error:
            raise
        raise cause from None
    (made,) = lineage.runs(lineage.connect(workspace.metadata), last=1)
    return made
