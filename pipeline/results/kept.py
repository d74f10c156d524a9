"""What a run leaves in its workspace beside the model: reports, samples, and what it has read."""

import logging
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.registry import lineage, read_files
from pipeline.registry.journal import Journal
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write, open_below

LATEST, LATEST_STUDENT = "latest.html", "latest_student.html"  # copies of the newest reports


def keep_results(
    run: lineage.Run,
    journal: Journal,
    workspace: Workspace,
    found: dict[int, bytes],
    console: Console,
) -> None:
    """Keeps reports and pictures of a run in the workspace, and which of the files it has read."""
    if run.evaluation:
        _keep_pictures(run.evaluation, workspace, console)
    if run.student and run.student.evaluation:
        keep_report(run.student.evaluation, workspace, LATEST_STUDENT)
    if run.blessed is not None:
        spans = run.spans
        read = {span: files for span, files in found.items() if span in spans}
        _remember(journal, read, console)


def keep_if_decided(
    run_ids: Sequence[str],
    journal: Journal,
    workspace: Workspace,
    found: dict[int, bytes],
    console: Console,
) -> None:
    """Keeps what came of a run that failed when its model was pushed or passed over.

    A student failed, which is no reason to read the images again.
    """
    try:
        for run in lineage.runs(lineage.connect(workspace.metadata), last=1):
            if run.id in run_ids and run.is_decided:
                keep_results(run, journal, workspace, found, console)
    except Exception:  # the run ends with its own error
        logging.exception("What came of the run could not be kept.")


def keep_report(evaluation: Path, workspace: Workspace, latest: str) -> None:
    """Copies a report to the workspace, under the evaluation's name and as `latest`."""
    for name in (f"{evaluation.name}.html", latest):
        _copy(evaluation, evaluator_names.REPORT_HTML, workspace.reports / name)


def _keep_pictures(evaluation: Path, workspace: Workspace, console: Console) -> None:
    """Copies the report to the workspace, under the evaluation's name and as the latest.

    Also the samples, if there are any and their place is free: a run does not fail over them.
    """
    keep_report(evaluation, workspace, LATEST)
    if not (evaluation / evaluator_names.SAMPLES_PNG).exists():
        return  # the model cannot be sampled, which the verdict says
    try:
        _copy(evaluation, evaluator_names.SAMPLES_PNG, workspace.latest_samples)
    except OSError as error:
        reason = error.strerror or error
        line = f"  samples cannot be written to {workspace.latest_samples}: {reason}"
        console.print(line, markup=False, soft_wrap=True)


def _remember(journal: Journal, read: dict[int, bytes], console: Console) -> None:
    """Records what was read; the model was judged and stays so if the disk is full by now."""
    try:
        read_files.remember(journal, read)
    except (OSError, sqlite3.Error) as error:
        reason = failures.describe(error)[1]
        console.print(f"  these images stay new: {reason}", markup=False, soft_wrap=True)


def _copy(evaluation: Path, name: str, target: Path) -> None:
    with (
        open_below(evaluation, evaluation / name) as source,  # a link would be copied as its target
        atomic_write(target) as partial,
        partial.open("wb") as copy,
    ):
        shutil.copyfileobj(source, copy)
