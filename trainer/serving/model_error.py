"""What the error of a call of an exported model says, in one line."""

import re

from trainer.common.text import LINE, printable, shorten

_NODE = re.compile(r"^\{\{function_node [^}]*\}\} *")
# The parts of its message, each in brackets, to the end of the line; names may have brackets too.
_CHECK = re.compile(r"assertion failed: \[([^\n]*)\]")
_CONDITION = "] [Condition "  # what TensorFlow adds to the message of a comparison


def reason(message: str) -> str:
    """What TensorFlow's message says, without its nodes and stack traces."""
    if found := _CHECK.search(message):
        said = found[1].partition(_CONDITION)[0].replace("] [", " ")
        return printable(shorten(said.strip(), LINE))
    lines = [_NODE.sub("", line) for line in message.strip().splitlines()]
    return printable(shorten(lines[0].strip(), LINE))
