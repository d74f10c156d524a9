"""The served model, in a numbered version of the serving folder, and samples drawn from one."""

import difflib
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components.atomic_pusher.versions import (
    METADATA,
    SAVED_MODEL,
    TEACHER_NOTE,
    complete_versions,
)
from components.image_trainer import names as trainer_names
from pipeline.workspace import Workspace
from trainer.common import exit_codes, xmp
from trainer.common.files import atomic_write
from trainer.common.image_grid import grid_png, image_grid
from trainer.common.progress import Report, phase, report
from trainer.common.remote_path import AnyPath
from trainer.common.text import first_line, list_some, quantity, shorten
from trainer.light import gpus
from trainer.light.network_file import NetworkFileError
from trainer.light.sampler import LightSampler, has_network
from trainer.limit_options import LimitOptions
from trainer.names import FINGERPRINT, FIXED_STEPS
from trainer.serving import model_metadata

_log = logging.getLogger(__name__)

DRAWING = "drawing"  # the phase
GIF_IMAGES = 256  # at most: all their states are in memory at once
GIF_FRAMES = 50  # at most: noise does not compress, and finer steps are invisible
FRAME_MS = 80
LAST_FRAME_MS = 2000  # time to look at the result

# (seeds int64 [N], nb_step, N labels) -> uint8 [N, ...]
Draw = Callable[[np.ndarray, int, Sequence[str]], np.ndarray]


class NoModelError(RuntimeError):
    """No model was pushed yet, or a folder holds none that can be used."""

    exit_code = exit_codes.USAGE


class UnknownLabelError(ValueError):
    """A label that is unknown to the model."""

    exit_code = exit_codes.USAGE


class FixedStepsError(ValueError):
    """Other solver steps than those that a student has learned."""

    exit_code = exit_codes.USAGE


class TooManyStepsError(ValueError):
    """More solver steps than the model accepts."""

    exit_code = exit_codes.USAGE


def latest_model(serving: AnyPath) -> AnyPath:
    """The folder of the newest complete version.

    Raises:
        NoModelError: there is none.
    """
    versions = complete_versions(serving)
    if not versions:
        raise NoModelError(f"no model in {serving}{what_makes_one(serving)}")
    return versions[-1]


def what_makes_one(serving: AnyPath) -> str:
    """What a folder without versions waits for, and how to get at a trained model before."""
    trained = newest_trained(serving)
    if trained is None:
        return "; `iadb run` pushes one when it is blessed"
    where = shlex.join(["--workspace", str(serving.parent)])  # a translator has its sources there
    return (
        f", though some were trained: `iadb models {where}` lists them, `iadb sample --model "
        f"{shlex.quote(str(trained))} {where}` draws from the newest, and `iadb promote` makes one "
        "live although it is not blessed"
    )


def newest_trained(serving: AnyPath) -> Path | None:
    """The newest sampler that runs of the same workspace trained, pushed or not.

    None without one, and in a bucket, which is not searched.
    """
    if not isinstance(serving, Path):
        return None
    models = Workspace(serving.parent).artifacts / trainer_names.NODE / trainer_names.MODEL
    found = [
        file.parent
        for file in models.glob(f"*/{trainer_names.SERVING}/{SAVED_MODEL}")
        if file.parent.parent.name.isdecimal()  # the number of an execution
    ]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


def find_model(serving: AnyPath, model: Path | None) -> AnyPath:
    """The folder of the given model, or of the newest complete version if none is given.

    Raises:
        NoModelError: the folder has no SavedModel with metadata, or there is no version.
    """
    if model is None:
        return latest_model(serving)
    for file in (SAVED_MODEL, METADATA):
        if not (model / file).is_file():
            raise NoModelError(f"{model}: not a model that `iadb run` pushed: it has no {file}")
    return model


def find_live(serving: AnyPath, model: AnyPath) -> AnyPath | None:
    """The newest version if it is a copy of the given SavedModel, else None."""
    try:
        live = latest_model(serving)
        # TensorFlow writes a random id into the fingerprint of each SavedModel.
        same = (live / FINGERPRINT).read_bytes() == (model / FINGERPRINT).read_bytes()
    except (NoModelError, OSError):  # there is none, or one without a fingerprint
        return None
    return live if same else None


def find_live_student(serving: AnyPath, teacher: int | None) -> AnyPath | None:
    """The newest version if it is a student of the model with this number, else None."""
    try:
        live = latest_model(serving)
        notes = read_metadata(live)
    except (NoModelError, OSError):  # there is none, or one of another program
        return None
    return live if teacher is not None and notes.get(TEACHER_NOTE) == teacher else None


def read_metadata(model: AnyPath, *needed: str) -> dict[str, Any]:
    """The metadata beside a model: its configuration, its training, its default nb_step.

    Args:
        model: folder of a SavedModel.
        needed: the fields without which the caller cannot use the model.

    Raises:
        NoModelError: the file is missing or damaged, or lacks a field that is needed.
        OSError: it cannot be read.
    """
    file = model / METADATA
    instead = "choose another version with --model, or make one live with `iadb promote`"
    try:
        return model_metadata.parse(file.read_text("utf-8"), *needed)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoModelError(f"{file} is missing; {instead}") from error
    except ValueError as error:  # also what is not UTF-8
        raise NoModelError(f"{file} is damaged ({first_line(error)}); {instead}") from error


def check_label(model: Path, label: str) -> None:
    """Raises UnknownLabelError unless the model can draw images of the label."""
    labels = read_metadata(model).get("labels")
    if labels is None:
        raise UnknownLabelError(
            f"{model} takes no label; `iadb run --set model.conditional=true` trains one that does"
        )
    if label not in labels:
        close = difflib.get_close_matches(shorten(label), labels, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {list_some(labels)}"
        raise UnknownLabelError(f"label {shorten(repr(label))}: unknown; {hint}")


def labels_of(model: Path, seeds: range, label: str | None) -> list[str]:
    """A label for each seed: the given one, or without one each class in turn.

    Those of an unconditional model are empty. A conditional one draws better with a label than with
    an empty one: see `train.label_dropout`.
    """
    if label is not None:
        return [label] * len(seeds)
    labels = read_metadata(model).get("labels") or [""]
    return [labels[seed % len(labels)] for seed in seeds]


def check_steps(model: Path, nb_step: int) -> None:
    """Raises FixedStepsError if the model takes its own solver steps and no others."""
    metadata = read_metadata(model, "nb_step")
    if metadata.get(FIXED_STEPS) and nb_step != metadata["nb_step"]:
        own = quantity(metadata["nb_step"], "solver step")
        raise FixedStepsError(f"{model} is a student of {own}, and takes no other number of them")


def draw_samples(
    model: Path,
    seeds: range,
    nb_step: int | None = None,
    batch_size: int = 256,
    label: str | None = None,
    *,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
    draw: Draw | None = None,
) -> np.ndarray:
    """Draws images, uint8 [N, H, W, C], one for each seed.

    Args:
        model: folder of a sampler SavedModel.
        seeds: of the images; an image depends on its seed alone.
        nb_step: solver steps; the model's default if None.
        batch_size: images drawn at a time, at most; the limits of the model may allow fewer.
        label: of all images of a conditional model, empty for none; by default each class in turn.
        light: draw on the CPU without TensorFlow, if the network is beside the model as ONNX and
            onnxruntime is installed; None: unless there is a GPU that TensorFlow can use.
        warn: is called with one line if that network cannot be used, and TensorFlow draws.
        draw: the model, if `load_drawing` has loaded it already.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    nb_step, batch_size = within_limits(model, nb_step, batch_size)
    draw = draw or load_drawing("generate", model, light, warn)
    labels = labels_of(model, seeds, label)
    return np.concatenate([*_in_batches(draw, seeds, nb_step, batch_size, labels)])


def draw_trajectories(
    model: Path,
    seeds: range,
    nb_step: int | None = None,
    batch_size: int = 16,
    label: str | None = None,
    *,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
    draw: Draw | None = None,
) -> np.ndarray:
    """Draws the trajectories from noise to image, uint8 [N, T, H, W, C], one for each seed.

    T is nb_step + 1, or GIF_FRAMES where those are fewer: then states are left out evenly, but
    never the noise or the image. The arguments are those of `draw_samples`.
    """
    nb_step, batch_size = within_limits(model, nb_step, batch_size)
    draw = draw or load_drawing("trajectory", model, light, warn)
    labels, trajectories = labels_of(model, seeds, label), []
    for states in _in_batches(draw, seeds, nb_step, batch_size, labels):
        length = states.shape[1]
        kept = np.linspace(0, length - 1, min(length, GIF_FRAMES)).round().astype(int)
        trajectories.append(states[:, kept])
    return np.concatenate(trajectories)


def within_limits(model: Path, nb_step: int | None, batch_size: int) -> tuple[int, int]:
    """The steps and the batch size to ask a model for.

    A student with fixed steps takes its own, whatever it is asked for.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    metadata = read_metadata(model, "nb_step")
    if nb_step is None or metadata.get(FIXED_STEPS):
        nb_step = metadata["nb_step"]
    if "limits" in metadata:
        limits = LimitOptions.model_validate(metadata["limits"])
        batch_size = limit_batch(model, limits, nb_step, batch_size)
    return nb_step, batch_size


def load_drawing(
    name: str,
    model: Path,
    light: bool | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> Draw:
    """Loads a signature of a model, `generate` or `trajectory`; see `draw_samples`."""
    if light is None:  # without a GPU, onnxruntime starts sooner than TensorFlow
        light = gpus.find() is None or not gpus.has_libraries()
    if light and has_network(model):
        try:
            with phase("loading the model"):
                return getattr(LightSampler(model), name)
        except NetworkFileError as error:
            warn(f"{error}; TensorFlow draws the images")

    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
    with phase("starting TensorFlow"):
        import tensorflow as tf

    with phase("loading the model"):
        signature = tf.saved_model.load(str(model)).signatures[name]
    _, inputs = signature.structured_input_signature

    def draw(seeds: np.ndarray, nb_step: int, labels: Sequence[str]) -> np.ndarray:
        given = {"label": tf.constant([*labels], tf.string)} if "label" in inputs else {}
        outputs = signature(seed=tf.constant(seeds), nb_step=tf.constant(nb_step), **given)
        (images,) = outputs.values()
        return images.numpy()

    return draw


def _in_batches(
    draw: Draw, seeds: range, nb_step: int, batch_size: int, labels: Sequence[str]
) -> Iterator[np.ndarray]:
    """What is drawn for each batch of seeds."""
    report(Report(DRAWING, expected=len(seeds)))
    for first in range(0, len(seeds), batch_size):
        batch = np.array(seeds[first : first + batch_size], np.int64)
        with phase(DRAWING):
            images = draw(batch, nb_step, labels[first : first + batch_size])
            report(Report(DRAWING, done=len(batch)))
        yield images


def limit_batch(model: AnyPath, limits: LimitOptions, nb_step: int, batch_size: int) -> int:
    """The images that one call may ask for in these solver steps, at most batch_size.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    limited = min(batch_size, limits.images_of(nb_step))
    if not limited:
        raise TooManyStepsError(
            f"{nb_step} solver steps: {model} takes at most {min(limits.nb_step, limits.states)} "
            "(sample.limits of its configuration)"
        )
    return limited


def check(model: AnyPath) -> subprocess.CompletedProcess:
    """Calls every signature of a model in a fresh process that cannot see this project."""
    script = Path(__file__).with_name("serve_check.py")
    with phase("loading the model and calling its signatures"):
        return subprocess.run(
            [sys.executable, "-I", str(script), str(model.resolve())],
            cwd="/",
            capture_output=True,
            text=True,
        )


def describe_failure(result: subprocess.CompletedProcess) -> str:
    """Why `check` failed, in one line."""
    return f"does not serve: {(result.stderr.strip().splitlines() or ['no message'])[-1]}"


def mark(model: AnyPath, seeds: range | None) -> str:
    """The XMP packet for images that a model draws, from seeds or none (trainer/common/xmp.py)."""
    weights = read_metadata(model).get("weights", "")  # which older models do not have
    if not seeds:
        return xmp.packet(weights, "")
    return xmp.packet(weights, f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}")


def write_grid(images: np.ndarray, output: Path, mark: str, columns: int | None = None) -> None:
    """Writes images, uint8 [N, H, W, C], as one marked PNG (trainer/common/image_grid.py)."""
    with atomic_write(output) as partial:
        partial.write_bytes(grid_png(images, columns, mark))


def write_gif(
    trajectories: np.ndarray, output: Path, mark: str, columns: int | None = None
) -> None:
    """Writes trajectories, uint8 [N, T, H, W, C], as one looping GIF, one frame per state.

    A frame is a grid (trainer/common/image_grid.py) of the N images; the last one is held longer.
    The mark is the comment of the file, since Pillow writes no XMP to GIF files.
    """
    frames = _grids(trajectories, columns)
    durations = [FRAME_MS] * (trajectories.shape[1] - 1) + [LAST_FRAME_MS]
    with atomic_write(output) as partial:
        next(frames).save(
            partial,
            "GIF",
            save_all=True,
            append_images=frames,
            duration=durations,
            loop=0,
            comment=mark.encode(),
        )


def _grids(trajectories: np.ndarray, columns: int | None) -> Iterator[Image.Image]:
    for images in trajectories.swapaxes(0, 1):
        grid = image_grid(images, columns)
        yield Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid)
