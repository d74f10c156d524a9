"""The command line itself: commands, configuration keys, and how wrong input is refused."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from tests.canonical.facts import Facts
from tests.canonical.workspaces import (
    ENVIRONMENT,
    IADB,
    Place,
    as_bytes,
    digits,
    drawn,
    iadb,
    write,
)

QUICK = ("--set", "data.resolution=8", "--set", "train.steps=20")


def collect(folder: Path) -> Facts:
    """Records the commands, the configuration, and twenty kinds of wrong input."""
    place = Place(folder, {}, {})
    facts = Facts(place)
    listed = iadb("--help").out.partition("Commands:")[2].split("\n")
    facts.add("commands", {line.split()[0]: "command" for line in listed if line.strip()})
    presets = [
        line.split()[0] for line in iadb("config", "list").out.splitlines() if line[:1].strip()
    ]
    default = _flat(yaml.safe_load(iadb("config", "show").out))
    facts.add("config", default)
    for preset in presets:
        shown = iadb("config", "show", "--preset", preset)
        if shown.code == 0:
            own = _flat(yaml.safe_load(shown.out))
            facts.add(f"preset {preset}", {k: v for k, v in own.items() if default.get(k) != v})
    for number, image in enumerate(digits(0, 60)):
        write(folder / "few" / f"{number}.png", image)
    for number in range(60):
        write(folder / "chosen" / "ab"[number % 2] / f"{number}.png", drawn(number, 24))
    chosen = _flat(yaml.safe_load(iadb("config", "show", "--data", folder / "chosen").out))
    # How long it trains and how large the network is depend on the machine.
    facts.add(
        "chosen", {k: v for k, v in chosen.items() if k.startswith("data.") and v != default.get(k)}
    )
    for name, command in _wrong(folder).items():
        done = iadb(*command, cwd=folder)
        lines = [line for line in done.err.splitlines() if line.strip()]
        kind = "one line" if len(lines) == 1 else "usage" if "Usage:" in done.err else "lines"
        facts.add(f"wrong.{name}", f"{done.code}, {kind}")
    facts.add("wrong", _in_use(place))
    return facts


def _flat(tree: Any, key: str = "") -> dict[str, Any]:
    """The values of nested sections by dotted keys; lists as JSON."""
    if isinstance(tree, dict) and tree:
        return {
            k: v for name, each in tree.items() for k, v in _flat(each, f"{key}{name}.").items()
        }
    return {key[:-1]: json.dumps(tree) if isinstance(tree, dict | list) else tree}


def _wrong(folder: Path) -> dict[str, list[Any]]:
    """Commands that have to fail, by what is wrong with them."""
    few, new = folder / "few", ("--workspace", folder / "new")
    (folder / "empty").mkdir()
    for number in range(30):
        content = as_bytes(drawn(number)) if number % 2 else b"no image"
        write(folder / "rejected" / f"{number}.png", content)
    write(folder / "list.yaml", b"- name\n")
    write(folder / "broken.yaml", b"data: {folder: [\n")
    write(folder / "file", b"no folder")
    write(folder / "damaged" / "saved_model.pb", b"no model")
    write(folder / "damaged" / "assets.extra" / "iadb.json", b"{")
    write(folder / "damaged.workspace" / "metadata.sqlite", b"no database" * 100)
    (folder / "loop").symlink_to("loop")
    run = ["run", *new]
    return {
        "unknown key": [*run, "--data", few, "--set", "train.stepz=3"],
        "unknown section": [*run, "--data", few, "--set", "trian.steps=3"],
        "wrong type": [*run, "--data", few, "--set", "train.steps=many"],
        "out of range": [*run, "--data", few, "--set", "data.eval_percent=80"],
        "set without value": [*run, "--data", few, "--set", "train.steps"],
        "contradiction": [*run, "--data", few, "--set", "data.pairing=none"],
        "missing configuration": [*run, "--config", folder / "missing.yaml"],
        "configuration is a list": [*run, "--config", folder / "list.yaml"],
        "configuration is no YAML": [*run, "--config", folder / "broken.yaml"],
        "unknown preset": [*run, "--preset", "digit", "--data", few],
        "no data": [*run, "--preset", "digits"],
        "missing folder": [*run, "--data", folder / "missing"],
        "folder is a file": [*run, "--data", folder / "file"],
        "folder is a loop": [*run, "--data", folder / "loop"],
        "empty folder": [*run, "--data", folder / "empty"],
        "too many rejected": [*run, "--data", folder / "rejected", *QUICK],
        "sources inside": [*run, "--data", few, *QUICK, "--set", f"data.source={few}"],
        "no span": [*run, "--data", few, *QUICK, "--set", "data.pattern=span-{SPAN}"],
        "workspace is a file": ["run", "--data", few, *QUICK, "--workspace", folder / "file"],
        "workspace is missing": ["models", "--workspace", folder / "missing"],
        "workspace is damaged": ["models", "--workspace", folder / "damaged.workspace"],
        "unknown command": ["paint"],
        "unknown option": ["models", "--jsno"],
        "nothing to sample": ["sample", "--workspace", folder / "empty"],
        "sample a damaged model": ["sample", "--model", folder / "damaged"],
        "sample no model": ["sample", "--model", folder / "few"],
        "promote nothing": ["promote", "999", "--reason", "none", *new],
        "roll back nothing": ["rollback", *new],
        "export nothing": ["export", *new],
        "translate nothing": ["translate", few / "0.png", "-o", folder / "out", *new],
        "evaluate nothing": ["evaluate", folder / "missing", "--real", few],
        "unknown data set": ["data", "write", "digitz", folder / "out"],
    }


def _in_use(place: Place) -> dict[str, str]:
    """A second run while a first has the workspace; then the first is terminated."""
    place.configure(name="few", data={"folder": "few", "resolution": 8, "channels": 1})
    command = ["run", "--config", "config.yaml", "--workspace", place.workspace]
    with subprocess.Popen(
        [IADB, *map(str, command)],
        cwd=place.folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as first:
        began = time.monotonic()
        while not list(place.workspace.glob("artifacts/*")) and time.monotonic() < began + 120:
            time.sleep(0.2)
        second = iadb(*command, cwd=place.folder)
        first.send_signal(signal.SIGTERM)
        first.communicate()
    lines = second.err.strip().splitlines()
    kind = "one line" if len(lines) == 1 else "lines"
    return {"workspace in use": f"{second.code}, {kind}", "terminated": str(first.returncode)}
