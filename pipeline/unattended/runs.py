"""The runs of one attempt: started again when they fail, and once more from scratch.

Each is a child process with the command `iadb run`.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.config import PipelineConfig, dump
from pipeline.registry import lineage
from pipeline.registry.journal import Journal, Outcome
from pipeline.unattended.new_data import Finding
from pipeline.unattended.supervisor import Ended, supervise
from pipeline.workspace import InUseError, Workspace
from trainer.common import exit_codes

IADB = (sys.executable, "-P", "-m", "pipeline.cli")  # -P: no modules of the working directory
VERDICTS = {0: Outcome.BLESSED, exit_codes.NOT_BLESSED: Outcome.NOT_BLESSED}
WRONG_DATA = {exit_codes.DATA, exit_codes.HELD}
FINAL = {*VERDICTS, *WRONG_DATA, exit_codes.USAGE}  # exit codes that no retry would change
CHALLENGER = ("train.warm_start=false", "evaluate.require_improvement=true")
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Ending:
    """What an attempt came to, as the journal records it."""

    outcome: Outcome
    message: str
    exit_code: int = 0


class AttemptRuns:
    """Runs the pipeline for an attempt.

    Attributes:
        tries: how often it was started.
        from_scratch: whether a challenger was trained and judged.
    """

    def __init__(
        self,
        config: PipelineConfig,
        workspace: Workspace,
        journal: Journal,
        tell: Callable[[str], None],
        now: Callable[[], datetime],
        iadb: Sequence[str],
    ) -> None:
        self._config = config
        self._workspace = workspace
        self._journal = journal
        self._tell = tell
        self._now = now
        self._iadb = iadb
        self._runs_before: frozenset[str] = frozenset()
        self.tries = 0
        self.from_scratch = False

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Of the runs, as TFX has them."""
        if not self.tries:
            return ()
        return tuple(run for run in self._recorded_runs() if run not in self._runs_before)

    def run(self, finding: Finding) -> Ending:
        """Trains on what was found, and remembers or holds it.

        Raises:
            InUseError: a run that is not of this attempt holds the workspace.
        """
        self._workspace.check_free()
        self._runs_before = frozenset(self._recorded_runs())
        overrides = self._overrides(finding)
        periodic = self._is_challenger_due()
        ended = self._run_with_retries(overrides)
        if ended.timed_out:
            return Ending(
                Outcome.TIMED_OUT,
                f"{finding.text}; the run took longer than schedule.timeout_hours="
                f"{self._config.schedule.timeout_hours:g} and was ended; its training goes on from "
                "its last checkpoint",
                exit_codes.TIMED_OUT,
            )
        if ended.code in WRONG_DATA:
            return self._hold(finding, ended.reason)
        if ended.code not in VERDICTS:
            tries = f" ({self.tries} tries)" if self.tries > 1 else ""
            return Ending(Outcome.FAILED, f"{finding.text}; {ended.reason}{tries}", ended.code)
        self._journal.remember(finding.snapshots)
        code, message = ended.code, f"{finding.text}; {self._verdict()}"
        if periodic or self._drift_calls_for_challenger():
            blessed, verdict = self._challenge(overrides)
            message += f"; from scratch: {verdict}"
            code = 0 if blessed else code
        return Ending(VERDICTS[code], message, code)

    def _overrides(self, finding: Finding) -> tuple[str, ...]:
        """Has the run read what was looked at, no later span and none that is held.

        What a person released is not held again for drift.
        """
        overrides = []
        if finding.numbered:
            overrides.append(f"data.span={finding.newest}")
        held = [span.number for span in finding.held]
        if held:
            overrides.append(f"data.exclude={sorted({*self._config.data.exclude, *held})}")
        if self._config.drift.on_drift == "hold" and finding.released:
            overrides.append("drift.on_drift=warn")  # a person has decided
        return tuple(overrides)

    def _drift_calls_for_challenger(self) -> bool:
        if not (self._config.schedule.challenger_on_drift and self._config.train.warm_start):
            return False
        return bool(self._newest_run().drifted)

    def _is_challenger_due(self) -> bool:
        every = self._config.schedule.challenger_every
        if not every or not self._config.train.warm_start:
            return False
        trained = [a for a in self._journal.attempts() if a.outcome in VERDICTS.values()]
        last = max((a.number for a in trained if a.from_scratch), default=0)
        return 1 + sum(a.number > last for a in trained) >= every

    def _challenge(self, overrides: Sequence[str]) -> tuple[bool, str]:
        """Trains from scratch on the same data; whether that model is blessed, and what is to say.

        It has to beat the model that was live until now, or was just pushed.
        """
        self._tell("a challenger is trained from scratch, on the same images")
        try:
            ended = self._run_with_retries((*overrides, *CHALLENGER))
        except InUseError as error:
            return False, f"not trained, {error}"
        if ended.timed_out:
            return False, "it took longer than schedule.timeout_hours"
        if ended.code not in VERDICTS:
            return False, f"failed, {ended.reason}"
        self.from_scratch = True
        return ended.code == 0, f"{VERDICTS[ended.code]}, {self._verdict()}"

    def _run_with_retries(self, overrides: Sequence[str]) -> Ended:
        options = self._config.schedule
        with tempfile.NamedTemporaryFile("w", prefix="iadb-", suffix=".yaml") as file:
            file.write(dump(self._config))
            file.flush()
            command = [*self._iadb, "run", "--config", file.name]
            command += ["--workspace", str(self._workspace.folder)]
            command += [f"--set={override}" for override in overrides]
            ended = self._try(command)
            for retry in range(options.retries):
                if ended.timed_out or ended.code in FINAL:
                    break
                wait = options.retry_wait_seconds * 2**retry
                self._tell(f"the run failed: {ended.reason}; it is started again in {wait:g} s")
                time.sleep(wait)
                ended = self._try(command)
            return ended

    def _try(self, command: Sequence[str]) -> Ended:
        self.tries += 1
        ended = supervise(command, self._config.schedule.timeout_hours * SECONDS_AN_HOUR)
        if ended.code == exit_codes.WORKSPACE:
            self._workspace.check_free()
        return ended

    def _hold(self, finding: Finding, reason: str) -> Ending:
        for span in finding.new:
            self._journal.hold(span, reason, self._now())
        spans = " ".join(map(str, finding.new))
        return Ending(
            Outcome.HELD,
            f"{finding.text}; held: {reason}; `iadb spans release {spans}` lets them in",
            exit_codes.HELD,
        )

    def _recorded_runs(self) -> list[str]:
        return lineage.run_ids(lineage.connect(self._workspace.metadata))

    def _verdict(self) -> str:
        """The reason of the newest run's verdict."""
        run = self._newest_run()
        return f"withdrawn: {run.withdrawn}" if run.withdrawn else run.reason or "no reason"

    def _newest_run(self) -> lineage.Run:
        (run,) = lineage.runs(lineage.connect(self._workspace.metadata), last=1)
        return run
