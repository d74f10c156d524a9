"""Looks for the mark of a model in image files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import iadb
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_file.decode import decode
from components.image_example_gen.options import ImageOptions
from trainer.common import exit_codes
from trainer.common.progress import Report, phase, report
from trainer.common.text import first_line, printable

LOOKING = "looking for the mark"  # the phase
BATCH = 64  # files whose images are in memory
FALSE_POSITIVES = 0.01  # share of the images without the mark that it is found in


class UnreadableFilesError(ValueError):
    """Some of the files could not be read; the others were."""

    exit_code = exit_codes.DATA


def find_marks(
    model: iadb.Model, files: Sequence[Path], label: str, warn: Callable[[str], None]
) -> dict[Path, float]:
    """Looks for the mark in files, which are read as a run reads them.

    Those of another size are cropped to the aspect of the model's images and resized.

    Args:
        model: that sets the mark.
        files: of images.
        label: with which they were drawn, of a conditional model; empty for none.
        warn: receives a line about each file that cannot be read.

    Returns:
        By file, the chance that another key agrees with it at least as well. The mark counts as
        found up to FALSE_POSITIVES.

    Raises:
        NoMarkError: the model sets no mark.
        UnknownLabelError: the model does not know the label.
    """
    model.check_mark(label)
    height, width, channels = model.shape
    options = ImageOptions(resolution=(height, width), channels=channels, min_size=1)
    found: dict[Path, float] = {}
    files = list(dict.fromkeys(files))
    report(Report(LOOKING, expected=len(files)))
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        with phase(LOOKING):
            images = _read(batch, options, warn)
            if images:
                values = model.find_mark(np.stack([*images.values()]), label=label)
                found.update(zip(images, map(float, values), strict=True))
            report(Report(LOOKING, done=len(batch)))
    return found


def _read(
    files: Sequence[Path], options: ImageOptions, warn: Callable[[str], None]
) -> dict[Path, np.ndarray]:
    """The images of the files that can be read, uint8 [H, W, C]."""
    images = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                images[file] = decode(stream, options).pixels
        except RejectedImage as rejected:
            warn(f"{printable(str(file))}: {rejected}")
        except OSError as error:
            warn(f"{printable(str(file))}: {error.strerror or first_line(error)}")
    return images
