"""Journal of unattended runs: every check for new data and the runs it started.

A SQLite database in the workspace, which outlives the processes that write it: a killed attempt
remains as one without an end. A file beside it keeps some space, so that an attempt that fills the
disk can be recorded. Imports neither TFX nor TensorFlow.
"""

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.registry.names import Outcome
from trainer.common.files import atomic_write

_TABLES = """
CREATE TABLE IF NOT EXISTS attempts (
    number INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    cause TEXT NOT NULL,
    found TEXT NOT NULL,
    ended TEXT,
    outcome TEXT,
    message TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    runs TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE TABLE IF NOT EXISTS snapshots (
    folder TEXT NOT NULL,
    span INTEGER NOT NULL,
    files BLOB NOT NULL,
    PRIMARY KEY (folder, span)
) STRICT;
CREATE TABLE IF NOT EXISTS held_spans (
    folder TEXT NOT NULL,
    span INTEGER NOT NULL,
    since TEXT NOT NULL,
    reason TEXT NOT NULL,
    released TEXT,
    PRIMARY KEY (folder, span)
) STRICT;
"""
_WAIT = 30.0  # seconds for another process to finish writing
_OF_FOLDER = "(?1 IS NULL OR folder = ?1)"
_RESERVE = 2**17  # bytes; recording an attempt takes some pages of 4 KiB, twice


@dataclass(frozen=True)
class Attempt:
    """One check for new data and its result.

    Attributes:
        number: counts from 1.
        started: aware.
        cause: `schedule`, `check` (run --if-new-data).
        found: what the check found, as in JSON.
        ended: None while it runs, or if it was killed.
        outcome: None like `ended`.
        message: one line.
        exit_code: of the command; None like `ended`.
        tries: how many times the pipeline was started.
        runs: TFX's ids of the pipeline runs, also while it runs.
    """

    number: int
    started: datetime
    cause: str
    found: Mapping[str, Any] = field(default_factory=dict)
    ended: datetime | None = None
    outcome: Outcome | None = None
    message: str = ""
    exit_code: int | None = None
    tries: int = 0
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldSpan:
    """A span held for review, which no run reads.

    Attributes:
        span: its number.
        since: when it was held, aware.
        reason: one line.
        released: when it was released, or None.
    """

    span: int
    since: datetime
    reason: str
    released: datetime | None = None


class Journal:
    """The journal of a workspace.

    Every method that writes raises OSError if the disk is full, and sqlite3.Error if the file
    cannot be written otherwise.

    Args:
        database: path of the file; writing creates it with its folder.
        folder: data.folder, whose spans are meant, since spans of several folders have the same
            numbers; None to read those of all folders, or to release them.
    """

    def __init__(self, database: Path, folder: str | None = None) -> None:
        self._database = database
        self._folder = folder
        self._reserve = database.with_suffix(".reserve")

    def begin(self, cause: str, found: Mapping[str, Any], now: datetime) -> int:
        """Records the start of an attempt; returns its number."""
        number = self._write(
            "INSERT INTO attempts (started, cause, found) VALUES (?, ?, ?)",
            (now.isoformat(), cause, json.dumps(found)),
        ).lastrowid
        if not self._reserve.exists():
            with suppress(OSError), atomic_write(self._reserve) as partial:
                partial.write_bytes(os.urandom(_RESERVE))  # no file system compresses these
        return number

    def claim(self, number: int, run: str) -> None:
        """Records that an attempt has started a pipeline run."""
        self._write(
            "UPDATE attempts SET runs = json_insert(runs, '$[#]', ?) WHERE number = ?",
            (run, number),
        )

    def end(
        self,
        number: int,
        outcome: Outcome,
        message: str,
        now: datetime,
        *,
        exit_code: int,
        tries: int = 0,
    ) -> None:
        """Records how an attempt ended."""
        self._write(
            "UPDATE attempts SET ended = ?, outcome = ?, message = ?, exit_code = ?, tries = ? "
            "WHERE number = ?",
            (now.isoformat(), outcome, message, exit_code, tries, number),
        )

    def attempts(self, last: int | None = None) -> list[Attempt]:
        """The attempts, oldest first; with `last`, only that many of the newest."""
        query = "SELECT * FROM attempts ORDER BY number DESC LIMIT ?"
        with self._open(reading=True) as db:
            rows = db.execute(query, (-1 if last is None else last,)).fetchall()
        return [_attempt(row) for row in reversed(rows)]

    def attempt(self, number: int) -> Attempt:
        """The attempt with a number that `begin` returned."""
        with self._open(reading=True) as db:
            row = db.execute("SELECT * FROM attempts WHERE number = ?", (number,)).fetchone()
        return _attempt(row)

    def unfinished(self) -> list[Attempt]:
        """The attempts that have not ended, oldest first."""
        with self._open(reading=True) as db:
            rows = db.execute("SELECT * FROM attempts WHERE ended IS NULL ORDER BY number")
            return [_attempt(row) for row in rows]

    def remember(self, snapshots: Mapping[int, bytes]) -> None:
        """Records the files of spans that a run read, replacing those recorded before.

        Args:
            snapshots: by span, 0 where the data have no spans; read_files.py defines their content.
        """
        self._write(
            "INSERT OR REPLACE INTO snapshots (folder, span, files) VALUES (?, ?, ?)",
            *((self._folder or "", span, files) for span, files in snapshots.items()),
        )

    def snapshots(self) -> dict[int, bytes]:
        """The recorded files, by span."""
        with self._open(reading=True) as db:
            query = f"SELECT span, files FROM snapshots WHERE {_OF_FOLDER}"
            return dict(db.execute(query, (self._folder,)).fetchall())

    def hold(self, span: int, reason: str, now: datetime) -> None:
        """Holds a span until a person releases it."""
        self._write(
            "INSERT OR REPLACE INTO held_spans (folder, span, since, reason) VALUES (?, ?, ?, ?)",
            (self._folder or "", span, now.isoformat(), reason),
        )

    def release(self, span: int, now: datetime) -> bool:
        """Releases a span; returns whether it was held."""
        query = f"UPDATE held_spans SET released = ?2 WHERE {_OF_FOLDER} AND span = ?3"
        query += " AND released IS NULL"
        return self._write(query, (self._folder, now.isoformat(), span)).rowcount > 0

    def forget_holds(self, spans: Iterable[int]) -> None:
        """Forgets that spans were held, once a run has read them: it was released or asked to.

        Later images are compared again.
        """
        query = f"DELETE FROM held_spans WHERE {_OF_FOLDER} AND span = ?2"
        self._write(query, *((self._folder, span) for span in spans))

    def held_spans(self) -> dict[int, HeldSpan]:
        """The spans that are held, and those that were released and not read since.

        Of the spans of several folders that have one number, one that is held counts.
        """
        with self._open(reading=True) as db:
            query = f"SELECT * FROM held_spans WHERE {_OF_FOLDER} ORDER BY span, released IS NULL"
            rows = db.execute(query, (self._folder,)).fetchall()
        return {
            row["span"]: HeldSpan(
                row["span"], _time(row["since"]), row["reason"], _time(row["released"])
            )
            for row in rows
        }

    def unreleased(self) -> list[int]:
        """The numbers of the spans that are held."""
        return [number for number, span in self.held_spans().items() if span.released is None]

    def _write(self, statement: str, *rows: Sequence[Any]) -> sqlite3.Cursor:
        """Executes a statement for each row, in one transaction."""
        try:
            return self._execute(statement, rows)
        except (OSError, sqlite3.OperationalError) as error:
            if _is_busy(error) or not self._reserve.exists():
                raise
        with suppress(OSError):
            self._reserve.unlink()  # the disk may be full
        return self._execute(statement, rows)

    def _execute(self, statement: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        try:
            with self._open() as db:
                cursor = db.cursor()
                for row in rows:
                    cursor.execute(statement, row)
                return cursor
        except sqlite3.OperationalError as error:  # which has no path
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error), str(self._database)) from None
            raise

    @contextmanager
    def _open(self, *, reading: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection with one transaction; reading does not create the file."""
        database: Path | str = self._database
        if reading and not self._database.exists():
            database = ":memory:"
        else:
            self._database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database, timeout=_WAIT)) as db:
            db.row_factory = sqlite3.Row
            db.executescript(_TABLES)
            with db:
                yield db


def _is_busy(error: Exception) -> bool:
    """Whether another process did not finish writing in time."""
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY  # the other bits say why


def _attempt(row: sqlite3.Row) -> Attempt:
    return Attempt(
        **{each.name: row[each.name] for each in fields(Attempt)}
        | {
            "started": _time(row["started"]),
            "found": json.loads(row["found"]),
            "ended": _time(row["ended"]),
            "outcome": row["outcome"] and Outcome(row["outcome"]),
            "runs": tuple(json.loads(row["runs"])),
        }
    )


def _time(text: str | None) -> datetime | None:
    """A recorded time in the local time zone, like those of ML Metadata."""
    return text and datetime.fromisoformat(text).astimezone()
