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
from pydantic import BaseModel, ValidationError

from trainer.common.remote_path import AnyPath, write_atomically
from trainer.common.text import printable
from trainer.names import CARD_SAMPLES, MODEL_CARD

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
# Of licenses, as the hub lists them; it refuses others.
IDENTIFIERS = {
    *("afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bigcode-openrail-m"),
    *("bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause"),
    *("bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
    *("cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0"),
    *("cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
    *("cdla-sharing-1.0", "creativeml-openrail-m", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0"),
    *("eupl-1.1", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0"),
    *("lgpl-lr", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1"),
    *("openrail", "openrail++", "osl-3.0", "pddl", "postgresql", "unknown", "unlicense", "wtfpl"),
    "zlib",
}
LISTED = 50  # kinds of images, and classes
TITLE = re.compile(r"(---\n.*?\n---\n)?\s*# [^\n]*\n", re.DOTALL)  # below the head in YAML
WITHDRAWN = "**Withdrawn:**"  # begins a line of a card


class About(BaseModel):
    """What the card has of the metadata beside a SavedModel (trainer/run_fn.py, versions.py)."""

    shape: tuple[int, int, int]
    version: str = "of an unknown version"
    config: dict[str, dict[str, Any]] = {}
    nfe: int | None = None
    nb_step: int | None = None
    teacher_model: int | None = None
    labels: list[str] = []
    source: dict[str, Any] | None = None
    weights: str | None = None
    license: str | None = None


class Measured(BaseModel):
    """A metric in metrics.json."""

    candidate: float | None = None
    train: float | None = None
    noise: float | None = None
    larger_is_better: bool | None = None  # unknown


class Kind(BaseModel):
    """A kind of images in metrics.json: a class, or a cluster where there are none."""

    name: str
    held_out: float | None = None
    expected: float | None = None
    estimated: float | None = None
    missing: bool = False


class Kinds(BaseModel):
    """The kinds of images in metrics.json."""

    by: str | None = None  # of too few images, there are none
    kinds: list[Kind] = []


class Judgement(BaseModel):
    """What the card has of metrics.json (sample_evaluator/verdict/summary.py)."""

    reasons: list[str] = []
    warnings: list[str] = []
    evaluated: str = ""
    features: str = ""
    samples: int | None = None
    metrics: dict[str, Measured] = {}
    memorization: dict[str, Any] | None = None
    kinds: Kinds | None = None


@dataclass(frozen=True)
class Images:
    """The images that a model was trained and judged on.

    Attributes:
        source: the data folder or its URI, of which the card has the last name; empty if unknown.
        accepted, rejected, duplicates: counts of files.
        splits: number of images by split.
        spans: ascending; empty if the data have none.
    """

    source: str
    accepted: int
    rejected: int
    duplicates: int
    splits: Mapping[str, int]
    spans: Sequence[int]


@dataclass(frozen=True)
class Card:
    """What a card is made of.

    Attributes:
        number: of the model.
        about: the metadata beside its SavedModel.
        trained: when the training was recorded; None if unknown.
        verdict: of the gate: blessed, not blessed or not judged; or withdrawn.
        reason: of the gate's verdict; empty without one.
        promoted: the reason of a promotion; empty without one.
        promoted_by: the user who promoted it.
        parent: number of the model that the training started from; None without one.
        images: None if they were not recorded.
        judgement: of the gate.
        samples: a grid as PNG; None without one.
    """

    number: int
    about: About
    trained: datetime | None
    verdict: str
    reason: str
    promoted: str
    promoted_by: str
    parent: int | None
    images: Images | None
    judgement: Judgement
    samples: bytes | None

    @property
    def name(self) -> str:
        """Of the model."""
        return f"Model {self.number}"


def read_judgement(content: bytes | None, recorded: Mapping[str, float]) -> Judgement:
    """Parses metrics.json.

    Args:
        content: of the file; None if it is missing.
        recorded: metrics in ML Metadata by name, for a file that is missing, damaged or without
            metrics.
    """
    try:
        judgement = Judgement.model_validate_json(content or b"{}")
    except ValidationError:
        judgement = Judgement()
    if not judgement.metrics:
        judgement.metrics = {name: Measured(candidate=recorded[name]) for name in recorded}
    return judgement


def render(card: Card) -> str:
    """Returns the card as Markdown with a head in YAML."""
    judgement = card.judgement
    kinds = judgement.kinds.kinds if judgement.kinds else []
    return _TEMPLATE.render(
        head=yaml.safe_dump(_head(card), sort_keys=False, allow_unicode=True),
        card=card,
        about=card.about,
        images=card.images,
        folder=Path(card.images.source).name if card.images else "",
        settings={
            f"{section}.{name}": value
            for section, values in card.about.config.items()
            for name, value in values.items()
        },
        judgement=judgement,
        copied=((judgement.memorization or {}).get("candidate") or {}).get("share"),
        kinds=kinds[:LISTED],
        nb_hidden_kind=max(0, len(kinds) - LISTED),
        labels=card.about.labels[:LISTED],
        nb_hidden_label=max(0, len(card.about.labels) - LISTED),
    )


def write(card: Card, version: AnyPath) -> None:
    """Writes the card and its samples to the folder of a version; each file appears atomically.

    Raises:
        OSError: a file cannot be written.
    """
    samples = {CARD_SAMPLES: card.samples} if card.samples else {}
    for name, content in {**samples, MODEL_CARD: render(card).encode()}.items():
        write_atomically(version / name, content)


def note_withdrawal(version: AnyPath, reason: str) -> None:
    """Says below the title of a version's card that the model was withdrawn; the rest stays.

    Args:
        version: folder of the version; without a card, or a title in it, nothing is written.
        reason: one line.

    Raises:
        OSError: a file cannot be read or written.
    """
    card = version / MODEL_CARD
    if not card.exists():
        return
    text = card.read_text("utf-8")
    title = TITLE.match(text)
    if title and not (rest := text[title.end() :]).lstrip().startswith(WITHDRAWN):
        noted = f"{title[0]}\n{WITHDRAWN} {_escape(reason)}\n{rest}"
        write_atomically(card, noted.encode())


def _head(card: Card) -> dict[str, Any]:
    task = "image-to-image" if card.about.source else "unconditional-image-generation"
    stated = card.about.license or "unknown"
    head = {"license": stated.lower()}
    if stated.lower() not in IDENTIFIERS:
        head = {"license": "other", "license_name": stated}
    # No `library_name`: the Hub would show how to load it with a library that cannot.
    head |= {"pipeline_tag": task, "tags": ["tensorflow", "iadb", "diffusion", "tfx"]}
    metrics = [
        {"type": metric, "value": measured.candidate, "name": metric}
        for metric, measured in card.judgement.metrics.items()
        if measured.candidate is not None
    ]
    if metrics:
        dataset = {"name": "held-out images", "type": "images"}
        results = [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]
        head["model-index"] = [{"name": card.name, "results": results}]
    return head


def _escape(text: object) -> str:
    """Text from data as Markdown in one line, without markup."""
    return MARKUP.sub(r"\\\1", printable(str(text)))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _sides(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} in {'color' if channels == 3 else 'gray'}"


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # Markdown: `text` escapes
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"text": _escape, "number": _number, "sides": _sides}
_TEMPLATE = _ENVIRONMENT.get_template("card.md.j2")
