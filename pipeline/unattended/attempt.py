"""One look for new data, and the runs that it leads to: what happens without a person looking.

Imports neither TFX nor TensorFlow: the pipeline runs in child processes.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

from pipeline import failures
from pipeline.config import PipelineConfig, require_folder
from pipeline.monitoring import prometheus, webhook
from pipeline.registry import lineage
from pipeline.registry.journal import Attempt, Journal, Outcome
from pipeline.registry.models import load_models
from pipeline.registry.retention import clean
from pipeline.unattended.new_data import Finding, look
from pipeline.unattended.runs import IADB, AttemptRuns, Ending
from pipeline.workspace import InUseError, Workspace, WorkspaceError
from trainer.common import exit_codes
from trainer.common.signals import exit_on_sigterm

GB, MB = 1e9, 1e6  # bytes


def attempt(
    config: PipelineConfig,
    workspace: Workspace,
    *,
    cause: str,
    tell: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    iadb: Sequence[str] = IADB,
) -> Attempt:
    """Looks for new data, runs the pipeline where there are enough, and records what came of it.

    Args:
        config: of the run.
        workspace: of the run.
        cause: what the attempt is due to, as the journal has it.
        tell: is given lines for a person while the attempt goes on; its result is not among them.
        now: the time, aware, of what is recorded and of the model's age; retries and timeouts
            take the machine's.
        iadb: the command `iadb`, to be followed by its arguments.

    Returns:
        What the journal has recorded.

    Raises:
        ConfigError: no folder of images is set, or the workspace lies in it.
        WorkspaceError: the workspace cannot be written.
    """
    require_folder(config, workspace.folder)
    journal = Journal(workspace.journal)
    runs = AttemptRuns(config, workspace, journal, tell, now, iadb)
    begun, number = now(), None
    try:
        with exit_on_sigterm(), workspace.attempting():
            _end_cut_off(workspace, journal, begun, tell)
            finding = look(config, journal)
            number = journal.begin(cause, finding.as_json(), begun)
            ending = _reason_to_wait(config, workspace, finding, begun)
            if ending is None:
                _check_disk(config, workspace, tell)
                tell(finding.text)
                ending = runs.run(finding)
    except InUseError as error:
        ending = Ending(Outcome.BUSY, f"gave way: {error}", exit_codes.WORKSPACE)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        code, text = failures.describe(error)
        stopped = failures.find_stop(error) is not None
        ending = Ending(Outcome.INTERRUPTED if stopped else Outcome.FAILED, text, code)
    if number is None:  # before anything was found
        number = journal.begin(cause, {}, begun)
    journal.end(
        number,
        ending.outcome,
        ending.message,
        now(),
        exit_code=ending.exit_code,
        tries=runs.tries,
        from_scratch=runs.from_scratch,
        runs=runs.run_ids,
    )
    ended = journal.attempt(number)
    _follow_up(config, workspace, ended, tell)
    return ended


def _follow_up(
    config: PipelineConfig, workspace: Workspace, ended: Attempt, tell: Callable[[str], None]
) -> None:
    """Makes room, writes the metrics and tells the webhook; nothing here changes how it ended."""
    steps = (
        lambda: _make_room(config, workspace, tell) if ended.runs else None,
        lambda: prometheus.write(workspace, config.notify),
        lambda: webhook.tell(config.notify, ended, workspace),
    )
    for step in steps:
        try:
            step()
        except Exception as error:
            tell(f"after the attempt: {failures.describe(error)[1]}")


def _end_cut_off(
    workspace: Workspace, journal: Journal, now: datetime, tell: Callable[[str], None]
) -> None:
    """Ends what an attempt left open that was killed: this process alone has one under way."""
    for cut_off in journal.unfinished():
        message = f"cut off: its process was killed, or the power failed, after {cut_off.started}"
        tell(f"attempt {cut_off.number} of {cut_off.started:%F %H:%M} was cut off")
        journal.end(
            cut_off.number,
            Outcome.INTERRUPTED,
            message,
            now,
            exit_code=exit_codes.INTERRUPTED,
            runs=_unclaimed_runs(workspace, journal, cut_off.started),
        )


def _unclaimed_runs(workspace: Workspace, journal: Journal, since: datetime) -> tuple[str, ...]:
    """The runs after a time that no attempt has, for one that could not say which were its."""
    claimed = {run for attempt in journal.attempts() for run in attempt.runs}
    runs = lineage.runs(lineage.connect(workspace.metadata))
    late = (run.id for run in runs if run.started.astimezone() >= since)
    return tuple(run for run in late if run not in claimed)


def _reason_to_wait(
    config: PipelineConfig, workspace: Workspace, finding: Finding, now: datetime
) -> Ending | None:
    """Why there is nothing to run, if so."""
    options = config.schedule
    images = sum(finding.new.values())
    if finding.held and finding.newest is None:
        return Ending(Outcome.HELD, finding.text, exit_codes.HELD)
    if not images:
        return Ending(Outcome.NOTHING_NEW, finding.text)
    if images >= options.min_new_images or _is_too_old(config, workspace, now):
        return None
    limit = f"schedule.min_new_images={options.min_new_images}"
    return Ending(Outcome.TOO_FEW, f"{finding.text}; a run waits for {limit}")


def _is_too_old(config: PipelineConfig, workspace: Workspace, now: datetime) -> bool:
    """Whether the live model is older than it may be."""
    days = config.schedule.max_model_age_days
    if days is None:
        return False
    models = load_models(lineage.connect(workspace.metadata), workspace.serving)
    return any(model.live and now - model.trained > timedelta(days=days) for model in models)


def _make_room(config: PipelineConfig, workspace: Workspace, tell: Callable[[str], None]) -> None:
    removals = clean(workspace, config.retention)
    if removals:
        size = sum(removal.size for removal in removals)
        tell(f"removed {len(removals):,} old files and folders, {size / MB:,.1f} MB")


def _free_gb(workspace: Workspace) -> float:
    return shutil.disk_usage(workspace.folder).free / GB


def _check_disk(config: PipelineConfig, workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Makes sure of the space that a run needs, if need be at the cost of what is not to be kept.

    Raises:
        WorkspaceError: there is too little.
    """
    least = config.schedule.min_free_gb
    if _free_gb(workspace) < least:
        _make_room(config, workspace, tell)
    free = _free_gb(workspace)
    if free < least:
        raise WorkspaceError(
            f"workspace {workspace.folder}: {free:.1f} GB of disk space are free, and a run needs "
            f"schedule.min_free_gb={least:g}; make room, or let `retention` keep less"
        )
