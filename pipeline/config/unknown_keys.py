"""What an unknown key of the configuration was probably meant to be."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

SUGGESTED = 3  # keys at most
CLOSE = 0.75  # ratio of keys in other sections, which are so many that one is always similar
OTHER_NAMES = {  # of the same in other programs
    "batch": "batch_size",
    "epoch": "steps",
    "epochs": "steps",
    "image_size": "resolution",
    "lr": "learning_rate",
    "path": "folder",
    "size": "resolution",
}
OPTIONS = {"cron": "`iadb schedule --cron`"}  # what is no key
REPLACED = {  # keys that are gone, with what took their place
    "data.older_share": "read fewer spans with data.window",
    "data.source_pattern": "name the folder of all sources in data.source",
    "distill.method": "leave it out: students learn mean slopes",
    "distill.pairs": "leave it out: students learn from the training images",
    "evaluate.features.weights": "set evaluate.features.name=onnx:URI",
    "evaluate.require_improvement": "set max_worsening in evaluate.thresholds",
    "sample.atol": "each solver takes sample.nb_step steps",
    "sample.rtol": "each solver takes sample.nb_step steps",
    "schedule.challenger_every": "train one with `iadb run --set train.warm_start=false`",
    "schedule.challenger_on_drift": "train one with `iadb run --set train.warm_start=false`",
}


def suggest(model: type[BaseModel], location: Sequence[str]) -> str:
    """Suggests another key.

    Args:
        model: of the whole configuration.
        location: sections and name of the unknown key.

    Returns:
        What took the place of the key, the key of that name in another section, one that other
        programs call so, a similar one in the same section, a very similar one in another section,
        or all that are allowed.
    """
    if replacement := REPLACED.get(".".join(location)):
        return replacement
    *sections, name = location
    here = keys_of(model, sections)
    everywhere: dict[str, list[str]] = {}
    for key in sorted(_all_keys(model), key=lambda key: key.count(".")):
        everywhere.setdefault(key.rpartition(".")[2], []).append(key)
    if name in everywhere:
        meant = everywhere[name]
    elif name in OPTIONS:
        meant = [OPTIONS[name]]
    elif other := OTHER_NAMES.get(name):
        meant = [other] if other in here else everywhere[other]
    elif close := difflib.get_close_matches(name, here, n=1):
        meant = close
    elif close := difflib.get_close_matches(name, everywhere, n=1, cutoff=CLOSE):
        meant = everywhere[close[0]]
    else:
        return f"allowed here: {', '.join(here)}"
    return f"did you mean {' or '.join(meant[:SUGGESTED])}?"


def keys_of(model: type[BaseModel], sections: Sequence[str]) -> list[str]:
    """The keys of a section; numbers in a list and keys of a mapping are no sections."""
    section: type[BaseModel] | None = model
    for part in sections:
        if section and part in section.model_fields:
            section = _find_model(section.model_fields[part].annotation)
    return list(section.model_fields) if section else []


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key that `--set` can name, with dots; none in mappings, whose keys are the user's."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _all_keys(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or that a mapping, list or union contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_find_model, get_args(annotation))), None)
