"""One check for new data, and the runs that it starts.

Imports neither TFX nor TensorFlow: the pipeline runs in child processes.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from pipeline import failures
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import require_folder
from pipeline.monitoring import prometheus, webhook
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, Journal, Outcome
from pipeline.registry.models import load_models
from pipeline.registry.retention import clean
from pipeline.unattended.new_data import Finding, look
from pipeline.unattended.runs import IADB, JUDGED, CheckRuns, Ending
from pipeline.workspace import InUseError, Workspace, WorkspaceError
from trainer.common import exit_codes
from trainer.common.signals import find_stop, stop_on_signals

GB, MB = 1e9, 1e6  # bytes
CLEANED = {*JUDGED, Outcome.HELD}  # outcomes after which old files are removed


def check(
    config: PipelineConfig,
    workspace: Workspace,
    *,
    cause: str,
    report: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    iadb: Sequence[str] = IADB,
    problem: Exception | None = None,
) -> Attempt:
    """Looks for new data, runs the pipeline if there are enough, and records the outcome.

    A disk that is full changes neither the outcome nor who is notified of it.

    Args:
        config: of the run.
        workspace: of the run.
        cause: what started the check, for the journal.
        report: receives lines for a person while the check runs; the outcome is not among them.
            It does not raise.
        now: the time, aware, for the records and the age of the model; retries and timeouts use
            the clock of the machine.
        iadb: the command `iadb`, to be followed by its arguments.
        problem: why no configuration could be chosen for the images, as while they are uploaded: a
            run that would start fails for it, and the next check tries again.

    Returns:
        The record of the check in the journal; its number is 0 if the journal cannot be written.

    Raises:
        ConfigError: no folder of images is set, or the workspace lies in it.
    """
    require_folder(config.data, workspace.folder)
    journal = Journal(workspace.journal, config.data.folder)
    runs = CheckRuns(config, workspace, journal, report, now, iadb)
    begun, number, found = now(), 0, {}
    with ExitStack() as stack:
        try:
            with failures.resumable(), stop_on_signals():
                stack.enter_context(workspace.checking())
                if _free_gb(workspace) < config.schedule.min_free_gb:
                    _free_space(config, workspace, report)
                _end_cut_off(journal, begun, report)
                finding = look(config, journal)
                found = finding.as_json()
                number = journal.begin(cause, found, begun)
                # A release accepts what was held, not what comes later.
                journal.forget_holds(finding.used_up)
                ending = _reason_to_wait(config, workspace, finding, begun)
                if ending is None:
                    if problem:
                        raise problem
                    workspace.check_free()
                    _require_space(config, workspace)
                    report(finding.text)
                    ending = runs.run(finding, number)
        except InUseError as error:
            ending = Ending(Outcome.BUSY, f"skipped: {error}", exit_codes.WORKSPACE)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            code, text = failures.describe(error)
            stopped = find_stop(error) is not None
            ending = Ending(Outcome.INTERRUPTED if stopped else Outcome.FAILED, text, code)
        ended = Attempt(
            number=number,
            started=begun,
            cause=cause,
            found=found,
            ended=now(),
            outcome=ending.outcome,
            message=ending.message,
            exit_code=ending.exit_code,
            tries=runs.tries,
        )
        ended = _record(journal, ended, report)  # or the next check would end it as cut off
    if ended.outcome in CLEANED:  # what was stopped is resumed from what it has written
        _free_space(config, workspace, report)
    try:
        prometheus.write(workspace, config.notify)
    except Exception as error:
        report(f"after the check: {failures.describe(error)[1]}")
    webhook.notify(config.notify, ended, runs.results, workspace)
    return ended


def _record(journal: Journal, ended: Attempt, report: Callable[[str], None]) -> Attempt:
    """The check as the journal has it, which gets its end, and its start if it has none."""
    try:
        number = ended.number or journal.begin(ended.cause, ended.found, ended.started)
        journal.end(
            number,
            ended.outcome,
            ended.message,
            ended.ended,
            exit_code=ended.exit_code,
            tries=ended.tries,
        )
        ended = replace(ended, number=number, runs=journal.attempt(number).runs)
    except Exception as error:
        report(f"the journal cannot record this check: {failures.describe(error)[1]}")
    return ended


def _end_cut_off(journal: Journal, now: datetime, report: Callable[[str], None]) -> None:
    """Ends the records of checks that were cut off: this process holds the lock, so none runs."""
    for cut_off in journal.unfinished():
        report(f"check {cut_off.number} of {cut_off.started:%F %H:%M} was cut off")
        journal.end(
            cut_off.number,
            Outcome.INTERRUPTED,
            f"cut off after {cut_off.started}: its process was killed (by the kernel if the "
            "memory ran out), the power failed, or the journal could not be written",
            now,
            exit_code=exit_codes.INTERRUPTED,
        )


def _reason_to_wait(
    config: PipelineConfig, workspace: Workspace, finding: Finding, now: datetime
) -> Ending | None:
    """Why no run is started; None if one is."""
    options = config.schedule
    images = sum(finding.new.values())
    if finding.held and finding.newest is None:
        return Ending(Outcome.HELD, finding.text, exit_codes.HELD)
    if not images:
        return Ending(Outcome.NOTHING_NEW, finding.text)
    if images >= options.min_new_images or _is_too_old(config, workspace, now):
        return None
    limit = f"schedule.min_new_images={options.min_new_images}"
    outside = sum(finding.outside.values())
    wider = "; to read those outside, raise data.window" if outside else ""
    return Ending(Outcome.TOO_FEW, f"{finding.text}; a run waits for {limit}{wider}")


def _is_too_old(config: PipelineConfig, workspace: Workspace, now: datetime) -> bool:
    """Whether the live model exceeds its maximum age; that of a student is its teacher's."""
    days = config.schedule.max_model_age_days
    if days is None:
        return False
    models = load_models(lineage.connect(workspace.metadata), workspace.serving)
    trained = {model.number: model.trained for model in models}
    return any(
        now - trained.get(model.teacher, model.trained) > timedelta(days=days)
        for model in models
        if model.live
    )


def _free_gb(workspace: Workspace) -> float:
    return shutil.disk_usage(workspace.folder).free / GB


def _free_space(
    config: PipelineConfig, workspace: Workspace, report: Callable[[str], None]
) -> None:
    """Removes what `retention` does not keep; a failure is reported and stops nothing."""
    try:
        removals = clean(workspace, config.retention)
    except Exception as error:
        report(f"cleaning: {failures.describe(error)[1]}")
        return
    if removals:
        size = sum(removal.size for removal in removals)
        report(f"removed {len(removals):,} old files and folders, {size / MB:,.1f} MB")


def _require_space(config: PipelineConfig, workspace: Workspace) -> None:
    free, least = _free_gb(workspace), config.schedule.min_free_gb
    if free < least:
        raise WorkspaceError(
            f"workspace {workspace.folder}: {free:.1f} GB of disk space are free, a run needs "
            f"schedule.min_free_gb={least:g}; free some space, or keep less with `retention`"
        )
