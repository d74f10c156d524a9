"""The model card: what a model is, what it was made of, and how good it was found, as Markdown.

Its head is the metadata of a Hugging Face model card, so that a copy of the file is a README there:
https://huggingface.co/docs/hub/model-cards. Text from data is escaped, and stays in one line.
Imports neither TFX nor TensorFlow.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import yaml

from trainer.common.remote_path import AnyPath, write_atomically
from trainer.common.text import printable
from trainer.names import CARD_SAMPLES, MODEL_CARD

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
# The usual ones of images among the identifiers that the hub knows; others are named.
LICENSES = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "unknown")
LICENSES += ("apache-2.0", "gpl-2.0", "gpl-3.0", "mit", "odbl", "odc-by")
LISTED = 50  # kinds of images, and classes
WITHDRAWN = "**Withdrawn:**"  # begins a line of a card


@dataclass(frozen=True)
class Card:
    """What a card is made of.

    Attributes:
        number: of the model.
        about: the metadata beside its SavedModel (trainer/serving/model_metadata.py).
        trained: when the training was recorded; None if unknown.
        verdict: of the gate: blessed, not blessed or not judged.
        reason: of the verdict; empty without one.
        folder: the data folder or its URI, of which the card has the last name; empty if unknown.
        files: the report on the files (image_example_gen/report.py); empty if it is missing.
        evaluation: metrics.json (sample_evaluator/verdict/summary.py); empty if it is missing.
        metrics: those recorded in ML Metadata by name, for an `evaluation` that is missing.
        samples: a grid as PNG; None without one.
        parent: number of the model that the training started from; None without one.
        promoted: the reason of a promotion; empty without one.
        promoted_by: the user who promoted it.
        withdrawn: the reason of a withdrawal; empty without one.
    """

    number: int
    about: Mapping[str, Any]
    trained: datetime | None
    verdict: str
    reason: str
    folder: str
    files: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    metrics: Mapping[str, float]
    samples: bytes | None
    parent: int | None = None
    promoted: str = ""
    promoted_by: str = ""
    withdrawn: str = ""


def render(card: Card) -> str:
    """Returns the card as Markdown with a head in YAML."""
    recorded = {name: {"candidate": value} for name, value in card.metrics.items()}
    metrics = card.evaluation.get("metrics") or recorded
    metrics = {name: each for name, each in metrics.items() if each["candidate"] is not None}
    kinds = (card.evaluation.get("kinds") or {}).get("kinds", [])
    labels = card.about.get("labels", [])
    spans = sorted(map(int, card.files.get("by_span", {})))
    return _TEMPLATE.render(
        head=yaml.safe_dump(_head(card, metrics), sort_keys=False, allow_unicode=True),
        card=card,
        withdrawn=_withdrawal(card.withdrawn) if card.withdrawn else "",
        about=card.about,
        files=card.files,
        folder=Path(card.folder).name,
        spans=[] if spans == [0] else spans,  # a folder without spans counts as span 0
        settings={
            f"{section}.{name}": value
            for section, values in card.about.get("config", {}).items()
            for name, value in values.items()
        },
        evaluation=card.evaluation,
        metrics=metrics,
        kinds=kinds[:LISTED],
        nb_hidden_kind=max(0, len(kinds) - LISTED),
        labels=labels[:LISTED],
        nb_hidden_label=max(0, len(labels) - LISTED),
    )


def write(card: Card, version: AnyPath) -> None:
    """Writes the card and its samples to the folder of a version; each file appears atomically.

    Raises:
        OSError: a file cannot be written.
    """
    samples = {CARD_SAMPLES: card.samples} if card.samples else {}
    for name, content in {**samples, MODEL_CARD: render(card).encode()}.items():
        write_atomically(version / name, content)


def note_withdrawal(version: AnyPath, number: int, reason: str) -> None:
    """Says in a version's card, if it has one, that the model was withdrawn; the rest stays.

    Args:
        version: folder of the version.
        number: of the model.
        reason: one line.

    Raises:
        OSError: a file cannot be read or written.
    """
    card, title = version / MODEL_CARD, f"\n# Model {number}\n"
    text = card.read_text("utf-8") if card.exists() else ""
    if WITHDRAWN not in text and title in text:
        noted = text.replace(title, f"{title}\n{_withdrawal(reason)}\n", 1)
        write_atomically(card, noted.encode())


def _withdrawal(reason: str) -> str:
    return f"{WITHDRAWN} {_escape(reason)}"


def _head(card: Card, metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    task = "image-to-image" if card.about.get("source") else "unconditional-image-generation"
    stated = card.about.get("license") or "unknown"
    head = {"license": stated.lower()}
    if stated.lower() not in LICENSES:
        head = {"license": "other", "license_name": stated}
    # No `library_name`: the Hub would show how to load it with a library that cannot.
    head |= {"pipeline_tag": task, "tags": ["tensorflow", "iadb", "diffusion", "tfx"]}
    if metrics:
        values = [
            {"type": name, "value": each["candidate"], "name": name}
            for name, each in metrics.items()
        ]
        dataset = {"name": "held-out images", "type": "images"}
        results = [{"task": {"type": task}, "dataset": dataset, "metrics": values}]
        head["model-index"] = [{"name": f"Model {card.number}", "results": results}]
    return head


def _escape(text: object) -> str:
    """Text from data as Markdown in one line, without markup."""
    return MARKUP.sub(r"\\\1", printable(str(text)))


def _number(value: float | None) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def _sides(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} in {'color' if channels == 3 else 'gray'}"


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # Markdown: `text` escapes
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"text": _escape, "number": _number, "sides": _sides}
_TEMPLATE = _ENVIRONMENT.get_template("card.md.j2")
