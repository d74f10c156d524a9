"""The code blocks of the documentation, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[3]
DOCUMENTS = (
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "kubeflow" / "README.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
)
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
OPERATORS = set("|&;<>()")


@dataclass(frozen=True)
class Block:
    """A fenced block: where its first line is, its language, its text without indentation."""

    where: str
    language: str
    text: str


def blocks(*languages):
    """The blocks in one of the languages; empty for none."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for match in FENCE.finditer(text):
            indent, language, content = match.groups()
            if language in languages:
                line = text.count("\n", 0, match.start()) + 2
                where = f"{document.relative_to(PROJECT)}:{line}"
                found.append(Block(where, language, re.sub(f"^{indent}", "", content, flags=re.M)))
    return found


def commands(text, program):
    """The arguments of each call of a program in lines of a shell, where they are spelled out."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if not set(word) <= OPERATORS:
                words.append(word)
                continue
            calls = [i for i, each in enumerate(words) if each.rpartition("/")[2] == program]
            found += [words[i + 1 :] for i in calls[:1] if words[i + 1 : i + 2] != ["$@"]]
            words = []
    return found
