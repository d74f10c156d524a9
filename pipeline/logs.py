"""Sends the logs of all libraries, in Python and C++, to a file instead of the terminal.

A second file has the events of a run as JSON lines, for programs: records that were logged with
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

from absl import logging as absl_logging

FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


class _JsonLines(logging.Formatter):
    """One object per line: time (ISO 8601, UTC), level, logger, message, the keys of an event."""

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
    """Writes all logs to a file, with standard error or, if verbose, also to standard error.

    The file descriptor itself is redirected, since TensorFlow's C++ code and child processes write
    to it. Standard output is left alone.

    Args:
        path: of the log file.
        verbose: show the logs on standard error as well.
        events: path of the file for events; None for no events.
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
    before = root.handlers[:]
    # absl's has a level of its own, which libraries change. TensorFlow silences it while it saves a
    # model, and restores it from absl's verbosity, so that is set, which sets the level as well.
    levels = {logger: logger.level for logger in (root, absl_logging.get_absl_logger())}
    verbosity = absl_logging.get_verbosity()
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    absl_logging.set_verbosity(absl_logging.INFO)
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
        absl_logging.set_verbosity(verbosity)
        for logger, level in levels.items():
            logger.setLevel(level)
        for handler in handlers:
            handler.close()
