"""The model card as HTML, which is made of text alone.

The card contains names from data, and anyone who may write to the workspace may change it: links
become their text, pictures other than its samples theirs, and tags are escaped.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from pipeline.monitoring.dashboard.files import WorkspaceFiles
from trainer.common.text import printable
from trainer.names import CARD_SAMPLES

# A card has a few kB, and lists 50 classes at most; its samples are 64 images.
MAX_CARD, MAX_SAMPLES = 64 << 10, 32 << 20  # bytes
_HEAD = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


@dataclass(frozen=True)
class Card:
    """A card for a page.

    Attributes:
        head: its metadata in YAML; empty without.
        body: the rest.
    """

    head: str
    body: Markup


def read_card(workspace: Path, file: Path) -> Card | None:
    """Returns the card in a file of a workspace; None if it was removed, or is too large."""
    files = WorkspaceFiles(workspace)
    content = files.read(file, MAX_CARD)
    if content is None:
        return None
    lines = content.decode(errors="replace").splitlines()
    text = "".join(f"{printable(line)}\n" for line in lines)
    head = _HEAD.match(text)
    body = text[head.end() :] if head else text
    samples = files.read(file.with_name(CARD_SAMPLES), MAX_SAMPLES)
    return Card(head[1] if head else "", _to_html(body, samples))


def _to_html(text: str, samples: bytes | None) -> Markup:
    """Renders Markdown.

    Args:
        text: of the card.
        samples: the PNG file beside it; None without.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def picture(tokens: Sequence[Token], index: int, *_: object) -> str:
        alt = escape(tokens[index].content)
        if tokens[index].attrs["src"] != CARD_SAMPLES or not samples:
            return alt
        data = base64.b64encode(samples).decode()
        return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, alt)

    markdown.renderer.rules |= {
        "image": picture,
        "link_open": lambda *_: "",
        "link_close": lambda *_: "",
    }
    tokens = markdown.parse(text)
    for each in tokens:
        each.attrs = {}  # styles of aligned columns, which the policy of the page forbids
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))
