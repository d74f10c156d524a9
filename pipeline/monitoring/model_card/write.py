"""Renders the card of a model from its lineage, with Jinja2.

Its head is the metadata of a Hugging Face model card, so that a copy of the file is a README there:
https://huggingface.co/docs/hub/model-cards. Text from data is escaped, and stays in one line.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import BaseModel, ValidationError

from components.atomic_pusher.versions import complete_versions
from components.sample_evaluator import names as evaluator_names
from pipeline import failures
from pipeline.monitoring.dashboard.collect import TrainedModel, collect
from pipeline.registry.serving import NoModelError, read_metadata
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write
from trainer.common.text import first_line, printable
from trainer.names import CARD_SAMPLES, MODEL_CARD

MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.-]*")  # of a license, as the hub lists them
LISTED = 50  # kinds of images


class About(BaseModel):
    """What the card has of the metadata beside a SavedModel (trainer/run_fn.py)."""

    shape: tuple[int, int, int]
    version: str = "of an unknown version"
    nfe: int | None = None
    labels: list[str] = []
    source: dict[str, Any] | None = None
    weights: str | None = None
    mark: dict[str, Any] | None = None
    license: str | None = None


class Measured(BaseModel):
    """A metric in metrics.json."""

    candidate: float | None = None
    train: float | None = None
    noise: float | None = None
    larger_is_better: bool = False


class Kind(BaseModel):
    """A kind of images in metrics.json: a class, or a cluster where there are none."""

    name: str
    held_out: float | None = None
    expected: float | None = None
    estimated: float | None = None
    missing: bool = False


class Kinds(BaseModel):
    """The kinds of images in metrics.json."""

    by: str = ""
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


def render(trained: TrainedModel, about: About, *, has_samples: bool) -> str:
    """Returns the card of a model as Markdown with a head in YAML.

    Args:
        trained: the model and everything that led to it.
        about: the metadata beside its SavedModel.
        has_samples: whether samples.png is beside the card.
    """
    name = f"Model {trained.model.number}"
    found = trained.evaluation
    judgement = (
        found.files.read_json(found.folder / evaluator_names.METRICS_JSON, Judgement)
        if found
        else Judgement()
    )
    if not judgement.metrics:  # its files were removed, or moved with the workspace
        recorded = trained.model.metrics
        judgement.metrics = {metric: Measured(candidate=recorded[metric]) for metric in recorded}
    kinds = judgement.kinds.kinds if judgement.kinds else []
    return _TEMPLATE.render(
        head=yaml.safe_dump(_head(about, judgement, name), sort_keys=False, allow_unicode=True),
        name=name,
        has_samples=has_samples,
        model=trained.model,
        trained=trained,
        dataset=trained.dataset,
        folder=Path(trained.dataset.source or "").name if trained.dataset else "",
        about=about,
        judgement=judgement,
        copied=((judgement.memorization or {}).get("candidate") or {}).get("share"),
        kinds=kinds[:LISTED],
        nb_hidden_kind=max(0, len(kinds) - LISTED),
    )


def write_after_push(workspace: Workspace) -> None:
    """Writes the cards that are missing, or says why not: a model is live with or without one."""
    try:
        write_missing(workspace)
    except Exception as error:
        failures.say(f"no model card was written: {first_line(error)}", error=True)


def write_missing(workspace: Workspace) -> None:
    """Writes the cards of the versions that have none, each with its grid of samples.

    Raises:
        OSError: a file cannot be written.
    """
    serving = workspace.serving
    versions = {int(folder.name): folder for folder in complete_versions(serving)}
    lacking = {number for number in versions if not (versions[number] / MODEL_CARD).exists()}
    if not lacking:
        return
    for trained in collect(workspace).models:
        for number in lacking.intersection(trained.model.versions):
            _write(trained, versions[number])


def _write(trained: TrainedModel, version: Path) -> None:
    try:
        about = About.model_validate(read_metadata(version))
    except (ValidationError, NoModelError):
        return  # damaged, or not of a training of this project
    found = trained.evaluation
    samples = found.files.read(found.samples) if found and found.samples else None
    if samples:
        with atomic_write(version / CARD_SAMPLES) as partial:
            partial.write_bytes(samples)
    card = render(trained, about, has_samples=bool(samples))
    with atomic_write(version / MODEL_CARD) as partial:
        partial.write_text(card, "utf-8")


def _head(about: About, judgement: Judgement, name: str) -> dict[str, Any]:
    task = "image-to-image" if about.source else "unconditional-image-generation"
    stated = about.license or "unknown"
    identified = IDENTIFIER.fullmatch(stated)
    head = {"license": stated} if identified else {"license": "other", "license_name": stated}
    head |= {"library_name": "tf-keras", "pipeline_tag": task, "tags": ["iadb", "diffusion", "tfx"]}
    metrics = [
        {"type": metric, "value": measured.candidate, "name": metric}
        for metric, measured in judgement.metrics.items()
        if measured.candidate is not None
    ]
    if metrics:
        dataset = {"name": "held-out images", "type": "images"}
        results = [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]
        head["model-index"] = [{"name": name, "results": results}]
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
