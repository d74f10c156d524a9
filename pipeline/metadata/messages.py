"""Traversal of protocol buffers."""

from collections.abc import Iterator

from google.protobuf.message import Message


def nested(message: Message) -> Iterator[Message]:
    """Yields a message and the messages in it, at any depth."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = value.values()
        else:
            parts = value if field.is_repeated else [value]
        for part in parts:
            if isinstance(part, Message):  # the values of a map may be numbers or strings
                yield from nested(part)
