"""The choice that a workspace keeps, as a configuration file."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.config.pipeline_config import ConfigError, PipelineConfig, load
from pipeline.config.sections import DataConfig
from pipeline.config.yaml_text import MAX_CHARACTERS, YamlError, parse, quote
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write, open_below, sync
from trainer.common.text import first_line, list_some

FOLDER, PATTERN = "data.folder", "data.pattern"
RESOLUTION = "data.resolution"
EVAL_PERCENT = "data.eval_percent"
CONDITIONAL = "model.conditional"
CLASS_BALANCE = "train.class_balance"
AUTOGUIDANCE, INTERVAL = "sample.autoguidance", "sample.autoguidance_interval"
# What a choice may set. A file in the workspace can set nothing else, such as what is executed.
KEYS = {
    FOLDER,
    PATTERN,
    RESOLUTION,
    "data.channels",
    "data.background",
    EVAL_PERCENT,
    CONDITIONAL,
    "model.channels",
    "model.blocks",
    "model.time_embedding",
    "model.attention",
    "model.patch",
    "model.prediction",
    "train.steps",
    "train.batch_size",
    CLASS_BALANCE,
    "train.flip",
    "train.augment",
    "train.learning_rate",
    "train.precision",
    "train.ema.half_life",
    "sample.nb_step",
    "sample.solver",
    AUTOGUIDANCE,
    INTERVAL,
    "sample.limits.images",
    "sample.limits.states",
}
HEADER = """\
# Chosen for {usable} images in {files} files, and reused by later runs of the folder that name no
# configuration. Remove this file, and the next run chooses again. It is one for --config, too.
"""
COUNTS = re.compile(r"# Chosen for (\d{1,12}) images in (\d{1,12}) files")


class Kept(NamedTuple):
    """A choice that a workspace keeps.

    Attributes:
        values: by key with dots.
        usable: about how many images could be read; None if an earlier version chose.
        files: how many image files there were, read or not; None like `usable`.
    """

    values: dict[str, Any]
    usable: int | None
    files: int | None


def keep_choice(kept: Kept, workspace: Workspace) -> None:
    """Writes a choice to the workspace."""
    with workspace.writing():
        workspace.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(workspace.chosen) as partial:
            head = HEADER.format(usable=kept.usable, files=kept.files)
            partial.write_text(head + _dump(kept.values), "utf-8")
            sync(partial)  # an empty file, after a power cut, would stop every later check


def read_kept(workspace: Workspace, data: DataConfig) -> Kept | None:
    """Reads the choice that the workspace keeps; None if it has none for the folder."""
    file = workspace.chosen
    try:
        with open_below(workspace.folder, file) as stream:
            content = stream.read(MAX_CHARACTERS + 1)
        text = content.decode("utf-8")
        values = dict(flatten(parse(text) or {}))
        if unknown := sorted(values.keys() - KEYS):
            raise ValueError(f"unexpected {list_some(unknown)}")
        if missing := sorted({FOLDER, PATTERN, RESOLUTION} - values.keys()):
            raise ValueError(f"no {list_some(missing)}")
        load_alone(values)
    except (FileNotFoundError, NotADirectoryError):  # the latter is said of the workspace
        return None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        problem = "not UTF-8 text"
    except YamlError as error:
        problem = f"line {error.line}: {error}"
    except ValueError as error:
        problem = first_line(error)
    else:
        same = (values[FOLDER], values[PATTERN]) == (data.folder, data.pattern)
        found = COUNTS.match(text)
        usable, files = map(int, found.groups()) if found else (None, None)
        return Kept(values, usable, files) if same else None
    raise ConfigError(f"{file}: {problem}; remove it, and the next run chooses again")


def _dump(values: Mapping[str, Any], depth: int = 0) -> str:
    """The values, by key with dots, as a configuration file."""
    lines, sections = [], {}
    for key, value in values.items():
        section, dot, rest = key.partition(".")
        if dot:
            sections.setdefault(section, {})[rest] = value
        else:
            lines.append(f"{'  ' * depth}{key}: {_as_yaml(value)}\n")
    for section, content in sections.items():
        lines.append(f"{'  ' * depth}{section}:\n{_dump(content, depth + 1)}")
    return "".join(lines)


def load_alone(values: Mapping[str, Any]) -> PipelineConfig:
    """The configuration of a choice without overrides."""
    return load(overrides=[*as_overrides(values)])


def as_overrides(values: Mapping[str, Any]) -> Iterator[str]:
    """Values, by key with dots, as `key=value`."""
    return (f"{key}={_as_yaml(value)}" for key, value in values.items())


def _as_yaml(value: Any) -> str:
    """One line of YAML; of characters beyond 16 bits, JSON has escapes that YAML has not."""
    return quote(value) if isinstance(value, str) else json.dumps(value)


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by key with dots, of sections in sections; a ValueError if they are none."""
    if not isinstance(values, Mapping):
        raise ValueError("expected sections with keys")
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
