"""ML Metadata's store, without its faults on PostgreSQL."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from google.protobuf.message import Message
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.metadata.messages import nested

BACKSLASH, STORED_BACKSLASH = "\\", "\ue05c"  # of the private use area
BY_ID = ("artifacts", "executions", "contexts")


class PostgreSQLStore(MetadataStore):
    """Works around three faults of ML Metadata 1.17 on PostgreSQL.

    It quotes strings with a backslash incorrectly: the statement fails, or executes the string. The
    store replaces the character. It returns results in any order, while TFX expects that of the
    ids, as from other databases. And two processes that create the same type concurrently get one
    each, and do not find each other's artifacts.

    Args:
        config: of the connection.
        locked: holds a lock of the database while a type is created.
    """

    def __init__(
        self, config: mlmd.ConnectionConfig, locked: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(config)
        self._locked = locked

    def _call_method(self, method_name: str, request: Message, response: Message) -> None:
        stored = type(request)()
        stored.CopyFrom(request)
        _translate(stored, BACKSLASH, STORED_BACKSLASH)
        if re.fullmatch(r"Put\w*Types?", method_name):
            with self._locked():
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
