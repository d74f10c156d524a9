"""Sends what libraries log, in Python or C++, to the log file of a run instead of the terminal.

Beside it go, for programs to read, the events of a run as JSON lines: what is logged with
`extra={"event": {...}}`, and all warnings and errors.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


class _JsonLines(logging.Formatter):
    """An object a line: time (ISO 8601, UTC), level, logger, message and the keys of an event."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "event", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _is_event(record: logging.LogRecord) -> bool:
    return hasattr(record, "event") or record.levelno >= logging.WARNING


@contextmanager
def logging_to(path: Path, *, verbose: bool, events: Path | None = None) -> Iterator[None]:
    """Writes all logs to a file; standard error goes there, too, or (verbose) shows them as well.

    The descriptor itself is redirected, since TensorFlow's C++ code and child processes write to
    it. Standard output stays the terminal's.

    Args:
        path: of the log file.
        verbose: show the logs on standard error, too.
        events: of the file with the events, as JSON lines; None for none.
    """
    root = logging.getLogger()
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if verbose:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
    if events:
        handlers.append(logging.FileHandler(events, encoding="utf-8"))
        handlers[-1].setFormatter(_JsonLines())
        handlers[-1].addFilter(_is_event)
    before, level = root.handlers[:], root.level
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        if not verbose:
            with path.open("ab") as file:
                os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)
        for handler in handlers:
            handler.close()
