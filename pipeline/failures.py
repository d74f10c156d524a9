"""Turns a failure into one line and an exit code by its cause."""

import errno

from trainer.common import exit_codes
from trainer.common.text import first_line

WORKSPACE_ERRNO = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
}
# Wordings of TensorFlow and SQLite, whose errors have no errno.
WORKSPACE_TEXT = {
    "No space left on device": "the disk is full",
    "disk is full": "the disk is full",
    "Read-only file system": "the file system is read-only",
    "readonly database": "the file system is read-only",
    "Permission denied": "permission denied",
}


class OutputError(ValueError):
    """An output folder that exists, holds something else, or cannot be created."""

    exit_code = exit_codes.USAGE


def describe(error: BaseException) -> tuple[int, str]:
    """Describes a failure.

    Returns:
        The exit code and the message: one line, or one line per wrong key of a configuration.
    """
    stop = find_stop(error)
    if isinstance(stop, SystemExit):
        return exit_codes.TERMINATED, "terminated; the next run resumes from here"
    if stop:
        reason = str(stop) or "the next run resumes from here"
        return exit_codes.INTERRUPTED, f"interrupted; {reason}"
    text = str(error).strip()
    code = getattr(error, "exit_code", None)
    if code is not None:
        return code, text
    if isinstance(error, OSError) and error.errno in WORKSPACE_ERRNO:
        return exit_codes.WORKSPACE, f"{WORKSPACE_ERRNO[error.errno]}: {error.filename or text}"
    for phrase, meaning in WORKSPACE_TEXT.items():
        if phrase in text:
            return exit_codes.WORKSPACE, f"{meaning}: {first_line(error)}"
    return exit_codes.UNEXPECTED, f"{type(error).__name__}: {first_line(error)}"


def find_stop(error: BaseException) -> KeyboardInterrupt | SystemExit | None:
    """Finds the Ctrl-C or SIGTERM (as SystemExit) that led to an error, if one did.

    Beam wraps whatever is raised while it calls a function in a RuntimeError.
    """
    found: BaseException | None = error
    while found and not isinstance(found, KeyboardInterrupt) and not _is_terminated(found):
        found = found.__cause__ or found.__context__
    return found


def _is_terminated(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code == exit_codes.TERMINATED
