"""What the error of a call of an exported model says, in one line."""

import re

from trainer.common.text import LINE, printable, shorten

_NODE = re.compile(r"^\{\{function_node [^}]*\}\} *")
_CHECK = re.compile(r"assertion failed: \[(.*?)\](?: \[(-?\d+)\])?")


def reason(message: str) -> str:
    """What TensorFlow's message says, without its nodes and stack traces."""
    if found := _CHECK.search(message):
        return " ".join(part.strip() for part in found.groups() if part)
    lines = [_NODE.sub("", line) for line in message.strip().splitlines()]
    return printable(shorten(lines[0], LINE))
