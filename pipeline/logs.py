"""Sends what libraries log, in Python or C++, to the log file of a run instead of the terminal."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


@contextmanager
def logging_to(path: Path, *, verbose: bool) -> Iterator[None]:
    """Writes all logs to a file; standard error goes there, too, or (verbose) shows them as well.

    The descriptor itself is redirected, since TensorFlow's C++ code and child processes write to
    it. Standard output stays the terminal's.
    """
    root = logging.getLogger()
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if verbose:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
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
        handlers[0].close()
