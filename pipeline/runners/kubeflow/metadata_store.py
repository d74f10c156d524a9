"""ML Metadata in the PostgreSQL database that a container's environment names."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import tenacity
from google.protobuf.message import Message
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.metadata import Metadata

from pipeline.runners.kubeflow.messages import nested
from trainer.common import exit_codes

KEYS = ("host", "port", "database", "user", "password")  # of the Secret, too
PATIENCE_SECONDS = 120  # for a database that restarts
LOCK_SECONDS = 120
REJECTED = ("authentication failed", "does not exist", "no pg_hba.conf entry")
LOCK = 0x7F4D_4C4D_44  # of pg_advisory_lock, for creating tables or types
BACKSLASH, STORED_BACKSLASH = "\\", "\ue05c"  # of the private use area
BY_ID = ("artifacts", "executions", "contexts")


class MetadataDatabaseError(RuntimeError):
    """The database is not named, is unreachable, or rejects the connection."""

    exit_code = exit_codes.CLUSTER


def variable(key: str) -> str:
    """The environment variable that holds a key's value."""
    return f"TFX_METADATA_{key.upper()}"


def metadata_from_environment() -> Metadata:
    """TFX's handle of the database; when entered, it waits for a database that restarts.

    Raises:
        MetadataDatabaseError: a variable is not set.
    """
    missing = [variable(key) for key in KEYS if not os.environ.get(variable(key))]
    if missing:
        raise MetadataDatabaseError(
            f"{', '.join(missing)} not set; should come from the Secret `metadata_secret`"
        )
    host, port, database, user, password = (os.environ[variable(key)] for key in KEYS)
    connection = {"host": host, "port": port, "dbname": database, "user": user}
    return _Metadata(_Database(connection | {"password": password}))


class _Database:
    """A database by the parameters of its connection, whose names libpq and ML Metadata share."""

    def __init__(self, connection: dict[str, str]) -> None:
        self._connection = connection
        # ML Metadata does not quote the values for libpq.
        quoted = {
            name: "'" + re.sub(r"([\\'])", r"\\\1", text) + "'" for name, text in connection.items()
        }
        self.config = metadata_store_pb2.ConnectionConfig(
            postgresql=metadata_store_pb2.PostgreSQLDatabaseConfig(**quoted, skip_db_creation=True)
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds a lock of the database, so that no other process creates tables or types."""
        # Waits for the database, because ML Metadata only logs why it cannot connect.
        connect = tenacity.retry(
            retry=tenacity.retry_if_exception(_is_temporary),
            wait=tenacity.wait_fixed(2),
            stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
            before_sleep=lambda state: print(
                f"  waiting: {self._describe(state.outcome.exception())}", flush=True
            ),
            reraise=True,
        )(psycopg.connect)
        options = f"-c lock_timeout={LOCK_SECONDS}s"
        try:
            with connect(
                **self._connection, connect_timeout=10, autocommit=True, options=options
            ) as connection:
                connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                yield
        except psycopg.Error as error:
            raise MetadataDatabaseError(self._describe(error)) from None

    def _describe(self, error: BaseException) -> str:
        where = "{dbname} on {host}:{port}".format_map(self._connection)
        reason = " ".join(str(error).split())
        return f"no metadata database {where}: {reason}; see the Secret `metadata_secret`"


def _is_temporary(error: BaseException) -> bool:
    rejected = any(phrase in str(error) for phrase in REJECTED)
    return isinstance(error, psycopg.OperationalError) and not rejected


class _Metadata(Metadata):
    """TFX's handle, with the store below."""

    def __init__(self, database: _Database) -> None:
        super().__init__(database.config)
        self._database = database

    def __enter__(self) -> "_Metadata":
        with self._database.locked():  # it may create the tables
            self._store = _Store(self._database)
        self._users += 1
        return self


class _Store(MetadataStore):
    """Works around three faults of ML Metadata 1.17 on PostgreSQL.

    It quotes strings with a backslash incorrectly: the statement fails, or executes the string. The
    store replaces the character. It returns results in any order, while TFX expects that of the
    ids, as from other databases. And two processes that create the same type concurrently get one
    each, and do not find each other's artifacts.
    """

    def __init__(self, database: _Database) -> None:
        super().__init__(database.config)
        self._database = database

    def _call_method(self, method_name: str, request: Message, response: Message) -> None:
        stored = type(request)()
        stored.CopyFrom(request)
        _translate(stored, BACKSLASH, STORED_BACKSLASH)
        if re.fullmatch(r"Put\w*Types?", method_name):
            with self._database.locked():
                super()._call_method(method_name, stored, response)
        else:
            super()._call_method(method_name, stored, response)
        _translate(response, STORED_BACKSLASH, BACKSLASH)
        for descriptor, found in response.ListFields():
            if descriptor.name in BY_ID and not _is_ordered(request):
                found.sort(key=lambda each: each.id)


def _is_ordered(request: Message) -> bool:
    return "options" in request.DESCRIPTOR.fields_by_name and request.HasField("options")


def _translate(message: Message, old: str, new: str) -> None:
    """Replaces a character in all strings except the keys of maps."""
    for part in nested(message):
        for descriptor, value in part.ListFields():
            if descriptor.type != descriptor.TYPE_STRING:
                continue
            if descriptor.is_repeated:
                value[:] = [each.replace(old, new) for each in value]
            elif old in value:
                setattr(part, descriptor.name, value.replace(old, new))
