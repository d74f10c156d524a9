"""The PostgreSQL database that holds ML Metadata, as a container's environment names it."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from google.protobuf.message import Message
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.metadata import Metadata

from pipeline.runners.kubeflow.messages import nested
from trainer.common import exit_codes

KEYS = ("host", "port", "database", "user", "password")  # of the Secret, too
PATIENCE_SECONDS = 120  # a database that restarts is waited for
LOCK_SECONDS = 120
REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry")
LOCK = 0x7F4D_4C4D_44  # of pg_advisory_lock, for whoever makes tables or types
BACKSLASH, STORED_BACKSLASH = "\\", "\ue05c"  # of the private use area
BY_ID = ("artifacts", "executions", "contexts")


class MetadataDatabaseError(RuntimeError):
    """The database is not named, cannot be reached, or does not let us in."""

    exit_code = exit_codes.CLUSTER


def variable(key: str) -> str:
    """The environment variable that holds a key's value."""
    return f"TFX_METADATA_{key.upper()}"


def metadata_from_environment() -> Metadata:
    """TFX's handle of the database; entered, it waits for one that restarts.

    Raises:
        MetadataDatabaseError: a variable is not set.
    """
    missing = [variable(key) for key in KEYS if not os.environ.get(variable(key))]
    if missing:
        raise MetadataDatabaseError(
            f"{', '.join(missing)} not set: the pod takes {'it' if len(missing) == 1 else 'them'} "
            "from the Secret that `metadata_secret` names"
        )
    return _Metadata(_Database(*(os.environ[variable(key)] for key in KEYS)))


@dataclass(frozen=True)
class _Database:
    host: str
    port: str
    name: str
    user: str
    password: str = field(repr=False)

    def config(self) -> metadata_store_pb2.ConnectionConfig:
        """For ML Metadata, which writes values into libpq's line of keywords as they are."""

        def quoted(text: str) -> str:
            return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"

        return metadata_store_pb2.ConnectionConfig(
            postgresql=metadata_store_pb2.PostgreSQLDatabaseConfig(
                host=quoted(self.host),
                port=quoted(self.port),
                dbname=quoted(self.name),
                user=quoted(self.user),
                password=quoted(self.password),
                skip_db_creation=True,
            )
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds a lock of the database: no other process makes tables or types meanwhile."""
        try:
            with self._connect() as connection:
                connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _connect(self) -> psycopg.Connection:
        """Waits for the database; ML Metadata tells why it cannot connect in its log alone."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return psycopg.connect(
                    host=self.host,
                    port=self.port,
                    dbname=self.name,
                    user=self.user,
                    password=self.password,
                    connect_timeout=10,
                    autocommit=True,
                    options=f"-c lock_timeout={LOCK_SECONDS}s",
                )
            except psycopg.OperationalError as error:
                told = self._error(error)
                if any(phrase in str(told) for phrase in REFUSED) or time.monotonic() > end:
                    raise told from None
                print(f"  waiting: {told}", flush=True)
                time.sleep(2)

    def _error(self, error: psycopg.Error) -> MetadataDatabaseError:
        return MetadataDatabaseError(
            f"no metadata database {self.name} on {self.host}:{self.port}: "
            f"{' '.join(str(error).split())}; see the Secret that `metadata_secret` names"
        )


class _Metadata(Metadata):
    """TFX's handle, whose store is the one below."""

    def __init__(self, database: _Database) -> None:
        super().__init__(database.config())
        self._database = database

    def __enter__(self) -> "_Metadata":
        with self._database.locked():  # it may make the tables
            self._store = _Store(self._database)
        self._users += 1
        return self


class _Store(MetadataStore):
    """ML Metadata's client, as TFX needs it on PostgreSQL.

    ML Metadata 1.17 quotes a string with a backslash wrongly: the statement fails, or says what the
    string says. So the database gets another character instead. What is found comes in any order,
    where TFX takes that of the ids for granted, which other databases keep. And two processes that
    make one type at the same time get one each, with artifacts that the other does not find.
    """

    def __init__(self, database: _Database) -> None:
        super().__init__(database.config())
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
    """Replaces a character in all strings, but the keys of maps."""
    for part in nested(message):
        for descriptor, value in part.ListFields():
            if descriptor.type != descriptor.TYPE_STRING:
                continue
            if descriptor.is_repeated:
                value[:] = [each.replace(old, new) for each in value]
            elif old in value:
                setattr(part, descriptor.name, value.replace(old, new))
