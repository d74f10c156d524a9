"""The result of a run, in a JSON file for the program that started it and in ML Metadata.

Retention removes old files; history.py reads ML Metadata. Imports neither TFX nor TensorFlow.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.image_example_gen import names as example_names
from pipeline import failures
from pipeline.registry import lineage, serving
from pipeline.registry.names import Outcome
from pipeline.workspace import Workspace
from trainer.common import exit_codes
from trainer.common.files import atomic_write
from trainer.common.remote_path import AnyPath

_OUTCOMES = {
    0: Outcome.BLESSED,
    exit_codes.NOT_BLESSED: Outcome.NOT_BLESSED,
    exit_codes.HELD: Outcome.HELD,
    exit_codes.TIMED_OUT: Outcome.TIMED_OUT,
    exit_codes.INTERRUPTED: Outcome.INTERRUPTED,
    exit_codes.TERMINATED: Outcome.INTERRUPTED,
}


WRONG_DATA = {exit_codes.DATA, exit_codes.HELD}  # exit codes


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        outcome: blessed, not blessed (or withdrawn since), held, failed or interrupted.
        exit_code: of `iadb run`.
        message: the reason of the verdict, and the verdict on a student; or of the failure.
        started, ended: aware.
        runs: TFX's ids of the pipeline runs: none if it failed before the first node, two if a
            blessed model had to be pushed again.
        images: accepted ones; None if they were not read.
        drifted: whether they differ from earlier ones; None if they were not compared.
        model: number of the model, as in `iadb models`; None if none was trained.
        blessed: the verdict of the gate; None if the model was not evaluated.
        withdrawn: why the model was withdrawn; None if it was not.
        student: number of the model that was distilled from it; None if there is none.
        student_blessed: the verdict of the gate on the student; None if it was not evaluated.
        version: number of the version in serving/ that has the model or its student; None if
            neither is live.
        report: of the evaluation, as HTML.
        log: of the run.
        hold: of a run whose images are wrong, whether they are to be held: not if more of them, or
            another configuration, would do. None of other runs.
        wrong_span: the span that is at fault; None if that is not known.
    """

    outcome: Outcome
    exit_code: int
    message: str
    started: datetime
    ended: datetime
    runs: tuple[str, ...] = ()
    images: int | None = None
    drifted: bool | None = None
    model: int | None = None
    blessed: bool | None = None
    withdrawn: str | None = None
    student: int | None = None
    student_blessed: bool | None = None
    version: int | None = None
    report: Path | None = None
    log: Path | None = None
    hold: bool | None = None
    wrong_span: int | None = None


_JSON = TypeAdapter(RunResult)


def outcome_of(exit_code: int) -> Outcome:
    """The outcome of a run with an exit code."""
    return _OUTCOMES.get(exit_code, Outcome.FAILED)


def read_result(file: Path) -> RunResult | None:
    """Reads the result of a run; None if it left none: it was killed, or the disk is full."""
    try:
        return parse_result(file.read_bytes())
    except OSError:
        return None


def parse_result(text: str | bytes | None) -> RunResult | None:
    """The result in a JSON text; None if there is no text, or it is damaged."""
    try:
        return _JSON.validate_json(text or b"")
    except ValidationError:
        return None


def find_version(run: lineage.Run, folder: AnyPath) -> AnyPath | None:
    """The live version if it is the model that a run makes live; None if it is another one.

    A run without a student to push also accepts one of its model that `iadb distill`, or a run
    with other settings, has made.

    Args:
        run: a run.
        folder: of the versions.
    """
    served = run.served
    live = serving.find_live(folder, served.model) if served.model else None
    if live is None and served is run:
        live = serving.find_live_student(folder, run.model_number)
    return live


@contextmanager
def recording(
    workspace: Workspace, file: Path, log: Path, run_ids: Sequence[str]
) -> Iterator[None]:
    """Writes the result of the run inside, also if it fails or is interrupted.

    Args:
        workspace: of the run, which holds it.
        file: to write, atomically. If that or recording it in ML Metadata fails, the failure is
            logged, the other is still done, and the run goes on.
        log: of the run.
        run_ids: TFX's ids of the pipeline runs; read at the end.
    """
    started, error = datetime.now().astimezone(), None
    try:
        with failures.resumable():
            yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        with _logging_failures():
            result = _result(workspace, log, run_ids, started, error)
            with _logging_failures():
                _write(result, file)
            _record(result, workspace)


@contextmanager
def _logging_failures() -> Iterator[None]:
    try:
        yield
    except Exception:
        logging.exception("The result of the run could not be written.")


def _result(
    workspace: Workspace,
    log: Path,
    run_ids: Sequence[str],
    started: datetime,
    error: BaseException | None,
) -> RunResult:
    newest = lineage.runs(lineage.connect(workspace.metadata), last=1) if run_ids else []
    run = newest[0] if newest and newest[0].id in run_ids else lineage.Run("")
    if error:
        exit_code, message = failures.describe(error)
    else:
        exit_code = 0 if run.pushable else exit_codes.NOT_BLESSED
        message = _verdict(run)
    student = run.student
    live = find_version(run, workspace.serving)
    report = workspace.reports / f"{run.evaluation.name}.html" if run.evaluation else None
    return RunResult(
        outcome=outcome_of(exit_code),
        exit_code=exit_code,
        message=message,
        started=started,
        ended=datetime.now().astimezone(),
        runs=tuple(run_ids),
        images=run.images(example_names.ACCEPTED),
        drifted=run.drifted,
        model=run.model_number,
        blessed=run.blessed,
        withdrawn=run.withdrawn,
        student=student.model_number if student else None,
        student_blessed=student.blessed if student else None,
        version=int(live.name) if live else None,
        report=report if report and report.exists() else None,
        log=log,
        hold=getattr(error, "hold", True) if exit_code in WRONG_DATA else None,
        wrong_span=getattr(error, "span", None),
    )


def _verdict(run: lineage.Run) -> str:
    """The verdict on the model and, if there is one, on its student."""
    if run.withdrawn:
        return f"withdrawn: {run.withdrawn}"
    message, student = run.reason or "no reason", run.student
    if student is None or student.blessed is None:
        return message
    if student.withdrawn:
        return f"{message}; student withdrawn: {student.withdrawn}"
    if student.blessed:
        return f"{message}; student blessed"
    return f"{message}; student not blessed: {student.reason or 'no reason'}"


def _write(result: RunResult, file: Path) -> None:
    event = _JSON.dump_python(result, mode="json")
    logging.info("The run has ended: %s.", result.outcome, extra={"event": event})
    with atomic_write(file) as partial:
        partial.write_bytes(_JSON.dump_json(result, indent=2))


def _record(result: RunResult, workspace: Workspace) -> None:
    store = lineage.connect(workspace.metadata)
    contexts = [each for each in lineage.run_contexts(store) if each.name in result.runs]
    for context in contexts:
        text = _JSON.dump_json(result).decode()
        context.custom_properties[lineage.RESULT_PROPERTY].string_value = text
    store.put_contexts(contexts)
