"""The runs of one check for new data, and retries of those that fail.

Each is a child process with the command `iadb run`, which leaves its result in a file.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from components.image_example_gen.errors import ImageDataError
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import find_sources
from pipeline.config.yaml_text import dump
from pipeline.registry.journal import Journal, Outcome
from pipeline.registry.outcome import WRONG_DATA, RunResult, outcome_of, read_result
from pipeline.unattended.new_data import Finding, look
from pipeline.unattended.supervisor import supervise
from pipeline.workspace import InUseError, Workspace, WorkspaceError
from trainer.common import exit_codes

IADB = (sys.executable, "-P", "-m", "pipeline.cli")  # -P: no modules of the working directory
JUDGED = {Outcome.BLESSED, Outcome.NOT_BLESSED}
# Exit codes that a retry would not change.
FINAL = {0, exit_codes.NOT_BLESSED, exit_codes.USAGE, exit_codes.TIMED_OUT, *WRONG_DATA}
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Ending:
    """How a check ended, as the journal records it."""

    outcome: Outcome
    message: str
    exit_code: int = 0


class CheckRuns:
    """Runs the pipeline for a check.

    Attributes:
        tries: number of runs that were started.
        results: of the runs that ended.
    """

    def __init__(
        self,
        config: PipelineConfig,
        workspace: Workspace,
        journal: Journal,
        report: Callable[[str], None],
        now: Callable[[], datetime],
        iadb: Sequence[str],
    ) -> None:
        self._config = config
        self._workspace = workspace
        self._journal = journal
        self._report = report
        self._now = now
        self._iadb = iadb
        self._number = 0
        self.tries = 0
        self.results: list[RunResult] = []

    def run(self, finding: Finding, number: int) -> Ending:
        """Trains on the new data, or holds them. The run itself records what it read.

        Args:
            finding: the data.
            number: of the check, for which the journal records each run that begins.

        Raises:
            InUseError: a run that this check did not start holds the workspace.
        """
        self._number = number
        result = self._run_with_retries(self._overrides(finding))
        if result.exit_code in WRONG_DATA and result.hold is not False and self._are_there(finding):
            return self._hold(finding, result)
        message, outcome = f"{finding.text}; {result.message}", result.outcome
        if outcome not in JUDGED:
            message += f" ({self.tries} tries)" if self.tries > 1 else ""
            outcome = outcome if outcome is Outcome.TIMED_OUT else Outcome.FAILED
        return Ending(outcome, message, result.exit_code)

    def _are_there(self, finding: Finding) -> bool:
        """Whether all images can still be found: a folder that is gone says nothing about them."""
        span = {"span": finding.newest} if finding.numbered else {}
        exclude = tuple(sorted(self._left_out(finding)))
        try:
            data = self._config.data.model_copy(update={**span, "exclude": exclude})
            for source in find_sources(data):
                source.listing()
            there = {each.number: each.new for each in look(self._config, self._journal).spans}
        except ImageDataError:
            return False
        return all(there.get(number, 0) >= count for number, count in finding.new.items())

    def _left_out(self, finding: Finding) -> set[int]:
        """The spans that a run does not read, which are held, excluded or empty."""
        return {*self._config.data.exclude, *(each.number for each in finding.held), *finding.empty}

    def _overrides(self, finding: Finding) -> tuple[str, ...]:
        """Restricts the run to what the check found: no later span and no held one.

        Released data are not held again.
        """
        overrides, left_out = [], self._left_out(finding)
        if finding.numbered:
            overrides.append(f"data.span={finding.newest}")
            if left_out != {*self._config.data.exclude}:
                overrides.append(f"data.exclude={sorted(left_out)}")
        if finding.released:
            if self._config.drift.on_drift == "hold":
                overrides.append("drift.on_drift=warn")
            if self._config.validation.on_anomaly == "stop":
                overrides.append("validation.on_anomaly=warn")
            overrides.append("data.max_rejected=1")
        return tuple(overrides)

    def _run_with_retries(self, overrides: Sequence[str]) -> RunResult:
        options = self._config.schedule
        with tempfile.NamedTemporaryFile(prefix="iadb-", suffix=".yaml") as file:
            file.write(dump(self._config).encode())
            file.flush()
            command = [*self._iadb, "run", "--config", file.name]
            command += ["--workspace", str(self._workspace.folder), f"--check={self._number}"]
            command += [f"--set={override}" for override in overrides]
            result = self._try(command)
            for retry in range(options.retries):
                if result.exit_code in FINAL:
                    break
                wait = options.retry_wait_seconds * 2**retry
                self._report(f"the run failed: {result.message}; retrying in {wait:g} s")
                time.sleep(wait)
                result = self._try(command)
            return result

    def _try(self, command: Sequence[str]) -> RunResult:
        hours = self._config.schedule.timeout_hours
        started = datetime.now(timezone.utc)
        file = self._workspace.results / f"{started.astimezone():%Y%m%d-%H%M%S-%f}.json"
        self.tries += 1
        ended = supervise([*command, f"--result={file}"], hours * SECONDS_PER_HOUR)
        result = read_result(file)
        if result is None:  # it was killed, never held the workspace, or the disk is full
            now = datetime.now(timezone.utc)
            outcome = outcome_of(ended.code)
            result = RunResult(outcome, ended.code, ended.reason, started, now)
        if ended.timed_out and result.outcome not in JUDGED:
            message = (
                f"terminated: the run took longer than schedule.timeout_hours={hours:g}; the next "
                "one resumes the training from its last checkpoint if no images came since, and "
                "otherwise begins anew: raise schedule.timeout_hours, or lower train.steps"
            )
            code = exit_codes.TIMED_OUT
            result = replace(result, outcome=Outcome.TIMED_OUT, exit_code=code, message=message)
        self.results.append(result)
        if result.exit_code == exit_codes.WORKSPACE:
            try:
                self._workspace.check_free()
            except InUseError:
                raise
            except WorkspaceError:  # the disk is full or read-only, as the result says
                pass
        return result

    def _hold(self, finding: Finding, result: RunResult) -> Ending:
        """Holds the span at fault, or else the newest: the next check then tries the others."""
        at_fault = result.wrong_span
        span = at_fault if at_fault in finding.new else max(finding.new)
        self._journal.hold(span, result.message, self._now())
        which = f"span {span} is held" if len(finding.new) > 1 else "held"
        return Ending(
            Outcome.HELD,
            f"{finding.text}; {which}: {result.message}; to accept: `iadb spans release {span}`",
            exit_codes.HELD,
        )
