"""Samples and trajectories of a model, and their files, which say that a model made them."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.common.files import atomic_write
from trainer.common.image_grid import encode_png, grid_png, image_grid
from trainer.common.progress import Report, phase, report
from trainer.ode.choice import Choice
from trainer.serving.stored_model import Draw, StoredModel

_log = logging.getLogger(__name__)

DRAWING = "drawing"  # the phase
MAX_STATES = 50  # of a trajectory: noise does not compress, and finer steps are invisible
STATE_VALUES = 2**26  # of all states of a batch, 256 MB as float32; a single image may have more
GIF_IMAGES = 256  # at most: all their states are in memory at once
COLORS = 256  # of a frame, at most
FRAME_MS = 80
LAST_FRAME_MS = 2000  # time to look at the result


def draw_samples(
    model: StoredModel,
    seeds: Sequence[int],
    nb_step: int | None = None,
    batch_size: int = 256,
    label: str | list[str] | None = None,
    *,
    choice: Choice | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> np.ndarray:
    """Draws images, uint8 [N, H, W, C], one for each seed.

    Args:
        model: that draws from noise.
        seeds: of the images; an image depends on its seed alone.
        nb_step: solver steps; the model's default if None.
        batch_size: images drawn at a time, at most; the limits of the model may allow fewer.
        label: of all images of a conditional model, or one of each; empty for none; by default each
            class in turn.
        choice: how the ODE is solved; None as the model was exported.
        warn: as of StoredModel.drawing.

    Raises:
        ModelArgumentError: nb_step exceeds the limits of the model.
    """
    nb_step, batch_size = model.within_limits(nb_step, batch_size)
    draw, labels = model.drawing("generate", warn, choice), model.labels_of(seeds, label)
    batches = _in_batches(draw, seeds, nb_step, batch_size, labels)
    first = next(batches)
    images = np.empty((len(seeds), *first.shape[1:]), first.dtype)  # once, as they may be large
    done = 0
    for batch in chain([first], batches):
        images[done : done + len(batch)] = batch
        done += len(batch)
    return images


def draw_trajectories(
    model: StoredModel,
    seeds: Sequence[int],
    nb_step: int | None = None,
    batch_size: int = 16,
    label: str | list[str] | None = None,
    *,
    choice: Choice | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> np.ndarray:
    """Draws the trajectories from noise to image, uint8 [N, T, H, W, C], one for each seed.

    T is nb_step + 1, or MAX_STATES where those are fewer: then states are left out evenly, but
    never the noise or the image. The arguments are those of `draw_samples`.
    """
    nb_step, batch_size = model.within_limits(nb_step, batch_size)
    values = math.prod(model.shape)  # of an image
    batch_size = max(1, min(batch_size, STATE_VALUES // (values * (nb_step + 1))))
    draw, labels = model.drawing("trajectory", warn, choice), model.labels_of(seeds, label)
    trajectories = []
    for states in _in_batches(draw, seeds, nb_step, batch_size, labels):
        length = states.shape[1]
        kept = np.linspace(0, length - 1, min(length, MAX_STATES)).round().astype(int)
        trajectories.append(states[:, kept])
    return np.concatenate(trajectories)


def _in_batches(
    draw: Draw, seeds: Sequence[int], nb_step: int, batch_size: int, labels: Sequence[str]
) -> Iterator[np.ndarray]:
    """What is drawn for each batch of seeds."""
    report(Report(DRAWING, expected=len(seeds)))
    for first in range(0, len(seeds), batch_size):
        batch = np.array(seeds[first : first + batch_size], np.int64)
        with phase(DRAWING):
            images = draw(batch, nb_step, labels[first : first + batch_size])
            report(Report(DRAWING, done=len(batch)))
        yield images


def write_grid(images: np.ndarray, output: Path, mark: str, columns: int | None = None) -> None:
    """Writes images, uint8 [N, H, W, C], as one marked PNG (trainer/common/image_grid.py)."""
    with atomic_write(output) as partial:
        partial.write_bytes(grid_png(images, columns, mark))


def write_each(images: np.ndarray, files: Sequence[Path], mark: str) -> None:
    """Writes images, uint8 [N, H, W, C], as marked PNGs of their own size."""
    for image, file in zip(images, files, strict=True):
        with atomic_write(file) as partial:
            partial.write_bytes(encode_png(image, mark))


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
        frame = Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid)
        if frame.mode == "RGB":
            # MEDIANCUT is exact for few colors; of many it takes over a second a megapixel.
            few = frame.getcolors(COLORS) is not None
            method = Image.Quantize.MEDIANCUT if few else Image.Quantize.FASTOCTREE
            frame = frame.quantize(COLORS, method)
        yield frame
