"""The PostgreSQL database that holds ML Metadata, as a container's environment names it."""

import os
import time
from contextlib import closing

import psycopg
from google.protobuf import message
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.metadata import Metadata

KEYS = ("host", "port", "database", "user", "password")  # of the Secret, too
PATIENCE_SECONDS = 120  # a database that restarts is waited for
REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry")
SCHEMA_LOCK = 0x7F4D_4C4D_44  # of pg_advisory_lock, for whoever makes the tables
BACKSLASH, STORED_BACKSLASH = "\\", "\ue05c"  # of the private use area
BY_ID = ("artifacts", "executions", "contexts")


class MetadataDatabaseError(RuntimeError):
    """The database is not named, cannot be reached, or does not let us in."""


def variable(key: str) -> str:
    """The environment variable that holds a key's value."""
    return f"TFX_METADATA_{key.upper()}"


def metadata_from_environment() -> Metadata:
    """Waits for the database and makes its tables; processes may do so at the same time.

    Returns:
        TFX's handle of it.

    Raises:
        MetadataDatabaseError: a variable is not set, or there is no database to be had.
    """
    missing = [variable(key) for key in KEYS if not os.environ.get(variable(key))]
    if missing:
        raise MetadataDatabaseError(
            f"{', '.join(missing)} not set: the pod takes {'it' if len(missing) == 1 else 'them'} "
            "from the Secret that `metadata_secret` names"
        )
    host, port, database, user, password = (os.environ[variable(key)] for key in KEYS)
    config = metadata_store_pb2.ConnectionConfig(
        postgresql=metadata_store_pb2.PostgreSQLDatabaseConfig(
            host=host,
            port=port,
            dbname=database,
            user=user,
            password=password,
            skip_db_creation=True,
        )
    )
    # ML Metadata tells why a connection failed in its log alone, and makes its tables without a
    # lock.
    with closing(_connect(host, port, database, user, password)) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [SCHEMA_LOCK])
        MetadataStore(config)
    return _Metadata(config)


class _Store(MetadataStore):
    """ML Metadata's client, as TFX needs it on PostgreSQL.

    ML Metadata 1.17 quotes a string with a backslash wrongly: the statement fails, or says what the
    string says. So the database gets another character instead. And what is found comes in any
    order, where TFX takes that of the ids for granted, which other databases keep.
    """

    def _call_method(
        self, method_name: str, request: message.Message, response: message.Message
    ) -> None:
        stored = type(request)()
        stored.CopyFrom(request)
        _translate(stored, BACKSLASH, STORED_BACKSLASH)
        super()._call_method(method_name, stored, response)
        _translate(response, STORED_BACKSLASH, BACKSLASH)
        for field, found in response.ListFields():
            if field.name in BY_ID and not _is_ordered(request):
                found.sort(key=lambda each: each.id)


def _is_ordered(request: message.Message) -> bool:
    return "options" in request.DESCRIPTOR.fields_by_name and request.HasField("options")


class _Metadata(Metadata):
    def __enter__(self) -> "_Metadata":
        self._store = _Store(self.connection_config)
        self._users += 1
        return self


def _translate(part: message.Message, old: str, new: str) -> None:
    """Replaces a character in all strings."""
    for field, value in part.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            kind = field.message_type.fields_by_name["value"]
            if kind.message_type:
                for each in value.values():
                    _translate(each, old, new)
            elif kind.type == kind.TYPE_STRING:
                for key in value:
                    value[key] = value[key].replace(old, new)
        elif field.message_type:
            for each in value if field.is_repeated else [value]:
                _translate(each, old, new)
        elif field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [each.replace(old, new) for each in value]
            elif old in value:
                setattr(part, field.name, value.replace(old, new))


def _connect(host: str, port: str, database: str, user: str, password: str) -> psycopg.Connection:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return psycopg.connect(
                host=host,
                port=port,
                dbname=database,
                user=user,
                password=password,
                connect_timeout=10,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            refused = any(phrase in reason for phrase in REFUSED)
            if refused or time.monotonic() > end:
                raise MetadataDatabaseError(
                    f"no metadata database {database} on {host}:{port}: {reason}; see the Secret "
                    "that `metadata_secret` names"
                ) from None
            print(f"  waiting for the metadata database: {reason}", flush=True)
            time.sleep(2)
