"""What is served: the numbered versions below the serving folder, and samples drawn from one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trainer.grid import grid_png

METADATA = Path("assets.extra") / "iadb.json"


class NoModelError(RuntimeError):
    """Nothing has been pushed yet, or not the version asked for."""


def latest_model(serving: Path) -> Path:
    """The folder of the newest complete version.

    Raises:
        NoModelError: there is none.
    """
    versions = [
        path
        for path in (serving.iterdir() if serving.is_dir() else [])
        if path.name.isdecimal() and (path / "saved_model.pb").is_file()
    ]
    if not versions:
        raise NoModelError(f"no model in {serving}; `iadb run` pushes one when it is blessed")
    return max(versions, key=lambda path: int(path.name))


def read_metadata(model: Path) -> dict[str, Any]:
    """The metadata beside a model: its configuration, its training, its default nb_step."""
    return json.loads((model / METADATA).read_text("utf-8"))


def draw_samples(
    model: Path, seeds: range, nb_step: int | None = None, batch_size: int = 256
) -> np.ndarray:
    """Draws images, uint8 [N, H, W, C], one for each seed.

    Args:
        model: folder of a sampler SavedModel.
        seeds: of the images; an image depends on its seed alone.
        nb_step: solver steps; without it, what the model states as its default.
        batch_size: images drawn at a time.
    """
    import tensorflow as tf

    generate = tf.saved_model.load(str(model)).signatures["generate"]
    steps = tf.constant(nb_step or read_metadata(model)["nb_step"])
    images = []
    for first in range(0, len(seeds), batch_size):
        batch = tf.constant(list(seeds[first : first + batch_size]), tf.int64)
        images.append(generate(seed=batch, nb_step=steps)["image"].numpy())
    return np.concatenate(images)


def check(model: Path) -> subprocess.CompletedProcess:
    """Calls every signature of a model in a fresh process that cannot see this project."""
    script = Path(__file__).with_name("serve_check.py")
    return subprocess.run(
        [sys.executable, "-I", str(script), str(model.resolve())],
        cwd="/",
        capture_output=True,
        text=True,
    )


def write_grid(images: np.ndarray, output: Path) -> None:
    """Writes images, uint8 [N, H, W, C], as one PNG (trainer/grid.py)."""
    partial = output.with_name(f"{output.name}.partial")
    partial.write_bytes(grid_png(images))
    partial.replace(output)
