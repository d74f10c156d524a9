"""Files of drawn images, which say that a model made them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.registry.serving import StoredModel
from trainer.common import xmp
from trainer.common.files import atomic_write
from trainer.common.image_grid import grid_png, image_grid

GIF_IMAGES = 256  # at most: all their states are in memory at once
COLORS = 256  # of a frame, at most
FRAME_MS = 80
LAST_FRAME_MS = 2000  # time to look at the result


def mark_of(model: StoredModel) -> str:
    """The XMP packet for images that a model draws (trainer/common/xmp.py)."""
    return xmp.packet(model.metadata.get("weights", ""))


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
        frame = Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid)
        if frame.mode == "RGB":
            # MEDIANCUT is exact for few colors; of many it takes over a second a megapixel.
            few = frame.getcolors(COLORS) is not None
            method = Image.Quantize.MEDIANCUT if few else Image.Quantize.FASTOCTREE
            frame = frame.quantize(COLORS, method)
        yield frame
