"""The values of a configuration before validation: those of preset, file and overrides, merged."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from components.features.options import ONNX
from pipeline.config.yaml_text import MAX_CHARACTERS, MAX_DEPTH, YamlError, parse
from trainer.common import exit_codes
from trainer.common.text import shorten

FOLDERS = ("folder", "source", "holdout", "holdout_source")  # of data, with images
# Keys whose values may be local files or folders.
PATHS = (
    *(f"data.{key}" for key in FOLDERS),
    "validation.schema_file",
    "notify.textfile",
)
# Text after a closing bracket, as in {SPAN}/images.
UNQUOTED = re.compile(r"(:|-) +(\{[^{}]*\}|\[[^][]*\])\s*[^\s#,}\]]")
QUOTES = "; put text that begins with { or [ in quotes"
FEATURES = ("evaluate.features", "evaluate.features.name")  # KIND:URI, or a name


class ConfigError(ValueError):
    """An invalid configuration; one line per invalid key."""

    exit_code = exit_codes.USAGE
    several_lines = True  # of other errors, line breaks are from names and are escaped


def presets() -> list[str]:
    """Names of the presets that come with the package."""
    folder = resources.files("pipeline") / "presets"
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir())


def read_values(preset: str | None, file: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """Reads and merges what `load` validates; its arguments.

    Raises:
        ConfigError: the preset is unknown, the file cannot be read, or something is not YAML.
    """
    values: dict[str, Any] = {}
    if preset is not None:
        if preset not in presets():
            known = ", ".join(presets())
            raise ConfigError(f"preset: no {shorten(repr(preset))}; there are {known}")
        text = (resources.files("pipeline") / "presets" / f"{preset}.yaml").read_text("utf-8")
        values = _parse_file(text, f"preset {preset}")
    if file is not None:
        read = _parse_file(read_text(file), str(file))
        values = _merge(values, _with_absolute_paths(read, file.absolute().parent))
    for override in overrides:
        values = _merge(values, _with_absolute_paths(_parse_override(override), Path.cwd()))
    return values


def section_of(overrides: Sequence[str], section: str) -> Mapping[str, Any]:
    """What overrides set in a section, key by key or as a whole.

    Raises:
        ConfigError: one of them is no KEY=VALUE.
    """
    values = read_values(None, None, overrides).get(section)
    return values if isinstance(values, Mapping) else {}


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields values by key with dots, of sections in sections; a ValueError if they are none."""
    if not isinstance(values, Mapping):
        raise ValueError("expected sections with keys")
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def read_text(file: Path) -> str:
    """Reads a file that the user names.

    Raises:
        ConfigError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CHARACTERS + 1)
        if len(content) > MAX_CHARACTERS:
            raise ConfigError(f"{file}: larger than {MAX_CHARACTERS:,} bytes")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}") from None


def _parse_file(text: str, source: str) -> dict[str, Any]:
    try:
        values = parse(text)
    except YamlError as error:
        line = "".join(text.splitlines()[error.line - 1 : error.line])
        hint = QUOTES if UNQUOTED.search(line) else ""
        raise ConfigError(f"{source}, line {error.line}: {error}{hint}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected sections with keys, found {type(values).__name__}")
    # A section whose keys are all comments is empty.
    return {key: {} if value is None else value for key, value in values.items()}


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    parts = key.split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise ConfigError(
            f"--set {shorten(override)}: expected KEY=VALUE, for example train.steps=500"
        )
    try:
        value = text if text.startswith("#") else parse(text)  # a color, and no comment
    except YamlError as error:
        hint = QUOTES if text[:1] in ("{", "[") else ""
        raise ConfigError(f"--set {shorten(override)}: {error}{hint}") from None
    for part in reversed(parts):
        value = {part: value}
    return value


def _with_absolute_paths(values: dict[str, Any], base: Path) -> dict[str, Any]:
    for key in (*PATHS, *FEATURES):
        *sections, name = key.split(".")
        section: Any = values
        for part in sections:
            section = section.get(part) if isinstance(section, dict) else None
        if isinstance(section, dict) and isinstance(section.get(name), str):
            kind, colon, uri = section[name].partition(":")
            if key in PATHS:
                section[name] = _absolute(section[name], base)
            elif kind == ONNX:
                section[name] = f"{kind}{colon}{_absolute(uri, base)}"
    return values


def _absolute(path: str, base: Path) -> str:
    """A path as it is always spelled: what runs keep of a folder is found by its name."""
    scheme, mark, place = path.partition("://")
    if mark:
        return f"{scheme}{mark}{place.rstrip('/')}"
    if not path:
        return path
    absolute = str(base / os.path.expanduser(path))
    plain = os.path.normpath(absolute)
    try:
        same = os.path.realpath(plain) == os.path.realpath(absolute)  # after a link, .. may differ
    except ValueError:  # a character that no path has
        same = False
    return plain if same else absolute


def _merge(base: Any, update: Any) -> Any:
    """Merges mappings key by key; any other value replaces the earlier one."""
    if not isinstance(base, Mapping) or not isinstance(update, Mapping):
        return update
    return {**base, **{key: _merge(base.get(key), value) for key, value in update.items()}}
