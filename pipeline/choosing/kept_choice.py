"""The choice that a workspace keeps, as a configuration file.

Otherwise a folder that grows would change its resolution, and with it every image and every cached
step, from one night to the next.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.choosing.choose import CONDITIONAL, NETWORK, OF_TRAINING
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.config.sections import DataConfig
from pipeline.config.values import flatten
from pipeline.config.yaml_text import MAX_CHARACTERS, YamlError, dump, parse, quote
from pipeline.workspace import Workspace
from trainer.common.files import atomic_write, open_below, sync
from trainer.common.text import first_line, list_some

FOLDER, PATTERN = "data.folder", "data.pattern"
RESOLUTION, EVAL_PERCENT = "data.resolution", "data.eval_percent"
NEEDED = {FOLDER, PATTERN, RESOLUTION, EVAL_PERCENT}
# What a choice may set. A file in the workspace can set nothing else, such as what is executed.
KEYS = {
    *NEEDED,
    "data.channels",
    "data.background",
    CONDITIONAL,
    *NETWORK,
    *(key for keys in OF_TRAINING.values() for key in keys),
    *("train.steps", "train.batch_size", "train.flip", "train.augment"),
    *("train.class_balance", "train.precision"),
    "sample.autoguidance",
    "sample.autoguidance_interval",
}
HEADER = """\
# Chosen for the images of the folder, and reused by later runs of it that name no configuration.
# Remove this file, and the next run chooses again. It is one for --config, too.
"""


def keep_choice(values: Mapping[str, Any], workspace: Workspace) -> None:
    """Writes a choice, by key with dots, to the workspace."""
    text = HEADER + dump(load(overrides=[*as_overrides(values)]), values.keys())
    with workspace.writing():
        workspace.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(workspace.chosen) as partial:
            partial.write_text(text, "utf-8")
            sync(partial)  # an empty file, after a power cut, would stop every later check


def read_kept(workspace: Workspace, data: DataConfig) -> dict[str, Any] | None:
    """The choice that the workspace keeps, by key with dots; None if it has none for the folder.

    Raises:
        ConfigError: it cannot be read, or sets what no choice does.
    """
    file = workspace.chosen
    try:
        with open_below(workspace.folder, file) as stream:
            content = stream.read(MAX_CHARACTERS + 1)
        values = dict(flatten(parse(content.decode("utf-8")) or {}))
        if unknown := sorted(values.keys() - KEYS):
            raise ValueError(f"unexpected {list_some(unknown)}")
        if missing := sorted(NEEDED - values.keys()):
            raise ValueError(f"no {list_some(missing)}")
        load(overrides=[*as_overrides(values)])
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
        return values if same else None
    raise ConfigError(f"{file}: {problem}; remove it, and the next run chooses again")


def as_overrides(values: Mapping[str, Any]) -> Iterator[str]:
    """Values, by key with dots, as `key=value`."""
    for key, value in values.items():  # JSON has other escapes than YAML for some characters
        yield f"{key}={quote(value) if isinstance(value, str) else json.dumps(value)}"
