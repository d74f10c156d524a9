"""The PostgreSQL database that holds ML Metadata on a cluster: its address and its locks.

Imports neither TFX nor TensorFlow.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import psycopg
import tenacity
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.metadata.store import PostgreSQLStore
from trainer.common import exit_codes
from trainer.common.text import first_line

KEYS = ("host", "port", "database", "user", "password")  # of the Secret, too
ENVIRONMENT = "postgresql://"  # a URL that leaves everything to the environment
PATIENCE_SECONDS = 120  # of a pod, for a database that restarts
LOCK_SECONDS = 120  # for creating tables or types
COMMAND_SECONDS = 3600  # of a pod, for a command that changes the files of the runs
REJECTED = ("authentication failed", "does not exist", "no pg_hba.conf entry")
# Keys of advisory locks: for creating tables or types, and for the files of the runs.
SCHEMA_LOCK, FILES_LOCK = 0x7F4D_4C4D_44, 0x7F4D_4C4D_45
# The server notices within two minutes that the machine of a client is gone, and frees its locks.
KEEPALIVE = "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6"
NAME_LENGTH = 63  # at most, of an application_name
HOLDER = """
SELECT application_name, client_addr, backend_start
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database()
    AND (classid::bigint << 32 | objid::bigint) = %s AND pid <> pg_backend_pid()
ORDER BY backend_start
"""


class MetadataDatabaseError(RuntimeError):
    """The database is not named, is unreachable, rejects the connection, or stays locked."""

    exit_code = exit_codes.CLUSTER


class MetadataUrlError(ValueError):
    """A URL that does not name a database, or that contains a password."""

    exit_code = exit_codes.USAGE


class FilesInUseError(RuntimeError):
    """Somebody else uses the files of the runs; the message says who, and since when."""


def variable(key: str) -> str:
    """The environment variable that holds a key's value."""
    return f"TFX_METADATA_{key.upper()}"


class Database:
    """A database by the parameters of its connection, whose names libpq and ML Metadata share.

    The password appears in no message.

    Args:
        connection: host, port, dbname, user and password.
        patience_seconds: how long to wait for a database that does not respond.
    """

    def __init__(self, connection: dict[str, str], patience_seconds: float) -> None:
        self._connection = connection
        self._patience_seconds = patience_seconds
        # ML Metadata does not quote the values for libpq.
        quoted = {
            name: "'" + re.sub(r"([\\'])", r"\\\1", text) + "'" for name, text in connection.items()
        }
        self.config = mlmd.ConnectionConfig(
            postgresql=mlmd.PostgreSQLDatabaseConfig(**quoted, skip_db_creation=True)
        )

    @classmethod
    def of_url(cls, url: str = ENVIRONMENT, patience_seconds: float = 0.0) -> "Database":
        """The database of a URL; the environment has the password and what the URL leaves out.

        Args:
            url: postgresql://USER@HOST:PORT/DATABASE, of which each part may be missing.
            patience_seconds: how long to wait for a database that does not respond.

        Raises:
            MetadataUrlError: the URL is of another form, or contains a password.
            MetadataDatabaseError: a variable of the environment is not set.
        """
        values = {key: os.environ.get(variable(key), "") for key in KEYS} | _parts(url)
        missing = [variable(key) for key in KEYS if not values[key]]
        if missing:
            raise MetadataDatabaseError(
                f"{', '.join(missing)} not set; should come from the Secret `metadata_secret`"
            )
        values["dbname"] = values.pop("database")
        return cls(values, patience_seconds)

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return "{dbname} on {host}:{port}".format_map(self._connection)

    def exists(self) -> bool:
        """Whether it contains ML Metadata's tables, which a cluster's first run creates.

        Raises:
            MetadataDatabaseError: the database is unreachable or rejects the connection.
        """
        with self._connected("", _this_process()) as connection:
            return connection.execute("SELECT to_regclass('mlmdenv')").fetchone()[0] is not None

    def connect(self) -> MetadataStore:
        """Opens ML Metadata; creates its tables in a new database.

        Raises:
            MetadataDatabaseError: the database is unreachable or rejects the connection.
        """
        with self.schema_locked():
            try:
                return PostgreSQLStore(self.config, self.schema_locked)
            except RuntimeError as error:  # this module has connected, so it is the other library
                reason = first_line(error).rpartition("source error:")[2].strip()
                raise MetadataDatabaseError(
                    f"{self.name}: ML Metadata cannot use it: "
                    + (reason or "no reason given; the database may require TLS, which it lacks")
                ) from None

    @contextmanager
    def schema_locked(self) -> Iterator[None]:
        """Holds a lock of the database, so that no other process creates tables or types.

        Raises:
            MetadataDatabaseError: the database is unreachable or rejects the connection, or another
                process holds the lock for longer than LOCK_SECONDS.
        """
        options = f"-c lock_timeout={LOCK_SECONDS}s"
        with self._connected(options, _this_process()) as connection:
            self._lock(connection, "pg_advisory_lock", SCHEMA_LOCK)
            yield

    @contextmanager
    def files_used(self, name: str) -> Iterator[None]:
        """Shares the files of the runs with other nodes; waits for a command that changes them.

        The lock ends with this process at the latest. If the database restarts, the lock is lost,
        but the node goes on.

        Args:
            name: of the node and its run, for others that find the files in use.

        Raises:
            MetadataDatabaseError: the database is unreachable or rejects the connection, or a
                command takes longer than COMMAND_SECONDS.
        """
        options = f"{KEEPALIVE} -c lock_timeout={COMMAND_SECONDS}s"
        with self._connected(options, name) as connection:
            self._lock(connection, "pg_advisory_lock_shared", FILES_LOCK)
            yield

    @contextmanager
    def files_changed(self) -> Iterator[None]:
        """Has the files of the runs alone, until the process ends at the latest.

        Raises:
            FilesInUseError: a node or another command uses them.
            MetadataDatabaseError: the database is unreachable or rejects the connection.
        """
        with self._connected(KEEPALIVE, _this_process()) as connection:
            query = "SELECT pg_try_advisory_lock(%s)"
            if not connection.execute(query, [FILES_LOCK]).fetchone()[0]:
                holder = connection.execute(HOLDER, [FILES_LOCK]).fetchone()
                raise FilesInUseError(_describe_holder(holder))
            yield

    def _lock(self, connection: psycopg.Connection, function: str, key: int) -> None:
        try:
            connection.execute(f"SELECT {function}(%s)", [key])
        except psycopg.errors.LockNotAvailable:
            holder = _describe_holder(connection.execute(HOLDER, [key]).fetchone())
            raise MetadataDatabaseError(
                f"metadata database {self.name}: in use by {holder}, and waiting took too long; "
                "wait for it to end, or end it, and try again"
            ) from None

    @contextmanager
    def _connected(self, options: str, name: str) -> Iterator[psycopg.Connection]:
        # Waits for the database, because ML Metadata only logs why it cannot connect.
        connect = tenacity.retry(
            retry=tenacity.retry_if_exception(_is_temporary),
            wait=tenacity.wait_fixed(2),
            stop=tenacity.stop_after_delay(self._patience_seconds),
            before_sleep=lambda state: print(
                f"  waiting: {self._describe(state.outcome.exception())}", flush=True
            ),
            reraise=True,
        )(psycopg.connect)
        arguments = {"connect_timeout": 10, "options": options, "keepalives_idle": 60}
        try:
            with connect(
                **self._connection,
                **arguments,
                application_name=name[:NAME_LENGTH],
                autocommit=True,
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise MetadataDatabaseError(self._describe(error)) from None

    def _describe(self, error: BaseException) -> str:
        reason = " ".join(str(error).split())
        return f"no metadata database {self.name}: {reason}; see the Secret `metadata_secret`"


def _parts(url: str) -> dict[str, str]:
    """The keys that a URL contains."""
    shown = url.rpartition("@")[2]  # whatever else the password contains
    try:
        parts = urlsplit(url)
        found = {
            "host": parts.hostname,
            "port": parts.port and str(parts.port),
            "database": unquote(parts.path.removeprefix("/")),
            "user": parts.username and unquote(parts.username),
        }
    except ValueError:
        parts, found = urlsplit(""), {}
    if parts.password is not None:
        raise MetadataUrlError(
            f"--metadata {shown}: must not contain a password; set {variable('password')} instead"
        )
    misplaced = parts.query or parts.fragment or re.search("[/@]", parts.path.removeprefix("/"))
    if parts.scheme != "postgresql" or misplaced:
        raise MetadataUrlError(
            f"--metadata {shown}: expected postgresql://USER@HOST:PORT/DATABASE, of which the "
            f"environment may have each part ({', '.join(map(variable, KEYS))})"
        )
    return {key: text for key, text in found.items() if text}


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _describe_holder(holder: tuple | None) -> str:
    """Who holds a lock; None if the lock was released in the meantime."""
    if holder is None:
        return "a process that has just ended"
    name, address, since = holder
    where = f" ({address})" if address else ""
    return f"{name or 'another process'}{where} since {since.astimezone():%F %T}"


def _is_temporary(error: BaseException) -> bool:
    rejected = any(phrase in str(error) for phrase in REJECTED)
    return isinstance(error, psycopg.OperationalError) and not rejected
