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


def suggest(model: type[BaseModel], location: Sequence[str]) -> str:
    """Suggests another key.

    Args:
        model: of the whole configuration.
        location: sections and name of the unknown key.

    Returns:
        The key of that name in another section, one that other programs call so, a similar one in
        the same section, a very similar one in another section, or all that are allowed.
    """
    *sections, name = location
    here = keys_of(model, sections)
    everywhere: dict[str, list[str]] = {}
    for key in sorted(_all_keys(model), key=lambda key: key.count(".")):
        everywhere.setdefault(key.rpartition(".")[2], []).append(key)
    if name in OPTIONS:
        return f"did you mean {OPTIONS[name]}?"
    if name not in everywhere:
        similar = difflib.get_close_matches(name, here, n=1)
        similar += difflib.get_close_matches(name, everywhere, n=1, cutoff=CLOSE)
        name = OTHER_NAMES.get(name) or next(iter(similar), None)
        if name in here:
            return f"did you mean {name}?"
    if name is None:
        return f"allowed here: {', '.join(here)}"
    return f"did you mean {' or '.join(everywhere[name][:SUGGESTED])}?"


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
