"""Turns a failure into one line and an exit code by its cause."""

import contextlib
import errno
import re
import sqlite3
from collections.abc import Iterator

import click

from components.image_trainer import names as trainer_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from trainer.common import exit_codes
from trainer.common.signals import find_stop
from trainer.common.text import LINE, first_line, printable

FULL, QUOTA = "the disk is full", "the disk quota is used up"
WORKSPACE_ERRNO = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: QUOTA,
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EFBIG: "the file would exceed the limit on its size (ulimit -f)",
}
# Wordings of TensorFlow, SQLite and ML Metadata, whose errors have no errno.
WORKSPACE_TEXT = {
    "No space left on device": FULL,
    "disk is full": FULL,
    "Read-only file system": "the file system is read-only",
    "readonly database": "the file system is read-only",
    "Permission denied": "permission denied",
}
BATCH_SIZES = {  # which decide how much memory a node takes
    trainer_names.NODE: "train.batch_size",
    feature_names.NODE: "evaluate.batch_size",
    evaluator_names.NODE: "evaluate.batch_size",
    trainer_names.STUDENT: "train.batch_size",
    evaluator_names.STUDENT_NODE: "evaluate.batch_size",
}
# Wordings of TensorFlow and XLA, mostly about a GPU's.
OUT_OF_MEMORY = re.compile(
    r"OOM when allocating|while trying to allocate|Dst tensor is not initialized"
)
PLACE = re.compile(r"\[\[")  # in a graph
OF_SEVERAL = re.compile(r"\(\d+\) [A-Z_]+: +")
GRAPH = "Graph execution error:"  # TensorFlow's, before the places in the graph and the reason
RESUMES = "the next run resumes from here"
PATH = re.compile(r"""(?<![\w./:])/[\w.@+-][^\s;:,'"]*""")  # absolute, in a text


class OutputError(ValueError):
    """An output folder that exists, holds something else, or cannot be created."""

    exit_code = exit_codes.USAGE


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Adds to a Ctrl-C or SIGTERM inside that the next run resumes, which `describe` then says."""
    try:
        yield
    except BaseException as error:
        stop = find_stop(error)
        if stop and RESUMES not in getattr(stop, "__notes__", ()):
            stop.add_note(RESUMES)
        raise


def describe(error: BaseException) -> tuple[int, str]:
    """Describes a failure.

    Returns:
        The exit code and the message: one line, or one line per wrong key of a configuration.
        Control characters, which come from names of files, are escaped.
    """
    code, text = _describe(error)
    lines = text.split("\n") if getattr(error, "several_lines", False) else [text]
    return code, "\n".join(map(printable, lines))


def _describe(error: BaseException) -> tuple[int, str]:
    stop = find_stop(error)
    if stop:
        terminated = isinstance(stop, SystemExit)
        code = exit_codes.TERMINATED if terminated else exit_codes.INTERRUPTED
        reason = "" if terminated else str(stop)
        reasons = [reason] if reason else getattr(stop, "__notes__", [])
        return code, "; ".join(["terminated" if terminated else "interrupted", *reasons])
    text = str(error).strip()
    code = getattr(error, "exit_code", None)
    if code is not None:
        return code, text
    if isinstance(error, OSError) and error.errno in WORKSPACE_ERRNO:
        return exit_codes.WORKSPACE, _cannot_write(WORKSPACE_ERRNO[error.errno], error.filename)
    for phrase, meaning in WORKSPACE_TEXT.items():
        for line in text.splitlines():
            if phrase in line:
                return exit_codes.WORKSPACE, _cannot_write(meaning, _place(line))
    if isinstance(error, sqlite3.Error):
        return exit_codes.WORKSPACE, f"journal.sqlite of the workspace: {text}"
    if out_of_memory := next(filter(OUT_OF_MEMORY.search, text.splitlines()), ""):
        sizes = " or ".join(sorted({*BATCH_SIZES.values()}))
        reason = f"the memory ran out: lower {sizes} ({out_of_memory[:LINE]})"
        return exit_codes.UNEXPECTED, reason
    return exit_codes.UNEXPECTED, f"{type(error).__name__}: {_reason(text) or first_line(error)}"


def _reason(text: str) -> str:
    """The reason of an error in a graph of TensorFlow, which is in its last lines."""
    if not text.startswith(GRAPH):
        return ""
    lines = [line.strip() for line in text.splitlines()[1:]]
    if several := list(filter(OF_SEVERAL.match, lines)):
        return OF_SEVERAL.sub("", several[0], count=1)[:LINE]
    return next((line for line in reversed(lines) if line and not PLACE.match(line)), "")[:LINE]


def describe_kill(node_id: str | None = None) -> str:
    """Describes a SIGKILL that was not of this project's making, in one line.

    Args:
        node_id: of the node that it hit, if that is known.
    """
    sizes = [BATCH_SIZES.get(node_id)] if node_id else sorted({*BATCH_SIZES.values()})
    lower = f"lower {' or '.join(sizes)}, " if all(sizes) else ""
    return (
        f"killed by SIGKILL, probably because the memory ran out: {lower}end other programs, or "
        "use a machine with more memory"
    )


def _place(line: str) -> str:
    """The path in a line, or else the line; nothing in place of a statement in SQL."""
    before, query, _ = line.partition("query: ")
    path = PATH.search(before)
    return path[0] if path else "" if query else line[:LINE]


def _cannot_write(meaning: str, place: str | None) -> str:
    return (f"{meaning}: {place}" if place else meaning) + (
        "; free some space" if meaning in (FULL, QUOTA) else ""
    )


def say(line: str, *, error: bool = False) -> None:
    """Prints a line, to standard error if it is one; does nothing if a full disk holds the output.

    An unattended process goes on without that line.
    """
    with contextlib.suppress(OSError):
        click.echo(line, err=error)
