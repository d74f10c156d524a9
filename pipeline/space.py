"""The disk that a run needs at least, checked before it starts."""

import math
import shutil
import sys
from pathlib import Path

from components.image_example_gen import names as example_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.workspace import Workspace, WorkspaceError
from trainer.options import ModelOptions

# Bytes, measured:
OF_PIXEL = 0.2  # at least, of a channel of a pixel of photographs as PNG
OF_EXAMPLE = 300  # beside the pixels
CHECKPOINT_BYTES = 16  # of a weight: itself, its average, its guide and an average of its gradients
MODEL_BYTES = 21  # of a weight: raw, averaged, as guide, in the sampler, and in its served copy
OTHER_BYTES = 8_000_000  # graphs of samplers, features, verdicts, reports, logs, metadata
UNITS = ("B", "kB", "MB", "GB")


def check_space(config: PipelineConfig, workspace: Workspace, images: int) -> None:
    """Checks before a run that its disk has the space that it needs at least.

    Images that an earlier run has converted are counted as none.

    Args:
        config: of the run.
        workspace: exists.
        images: number of files that the run will find.

    Raises:
        WorkspaceError: it has not.
    """
    if (workspace.artifacts / example_names.NODE / example_names.EXAMPLES).exists():
        images = 0
    pixels = math.prod(config.data.shape) * (2 if config.data.paired_source else 1)
    examples = round(images * (OF_EXAMPLE + OF_PIXEL * pixels))
    models = 2 if config.distill.enabled else 1
    _require(
        2 * examples + models * _training_bytes(config) + OTHER_BYTES,
        workspace,
        "this run",
        f"{images:,} images as examples, twice while they are converted, " if images else "",
    )


def check_space_for_student(config: PipelineConfig, workspace: Workspace, teacher: int) -> None:
    """Checks that there is space to distill a model.

    Args:
        config: of a run that would train and distill it.
        workspace: of the model.
        teacher: number of the model.

    Raises:
        WorkspaceError: there is not.
    """
    need = _training_bytes(config) + OTHER_BYTES
    _require(need, workspace, f"a student of model {teacher}")


def _training_bytes(config: PipelineConfig) -> int:
    """Checkpoints, the model and its served copy."""
    # A new checkpoint is complete before an old one is removed.
    checkpoints = (config.train.checkpoint.keep + 1) * CHECKPOINT_BYTES
    return _least_weights(config.model) * (checkpoints + MODEL_BYTES)


def _least_weights(options: ModelOptions) -> int:
    """The weights of two convolutions of 3x3 pixels in each residual block of a U-Net."""
    return sum((2 * options.blocks + 1) * 2 * 9 * width**2 for width in options.channels)


def _require(need: int, workspace: Workspace, what: str, examples: str = "") -> None:
    free = _free_bytes(workspace.folder)
    if need > free:
        raise WorkspaceError(
            f"workspace {workspace.folder}: {size(free)} are free on its disk, and {what} needs "
            f"at least {size(need)} ({examples}checkpoints and models): free some space, lower "
            "data.resolution, or choose another disk with --workspace"
        )


def _free_bytes(folder: Path) -> int:
    """The free space of a disk; some over a network do not know their size: nothing limits them."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize


def size(count: float) -> str:
    """A number of bytes for a person: 464 B, 1.6 kB, 98 MB, 2,048 GB."""
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        power, count = power + 1, count / 1000
    decimals = 1 if power > 0 and count < 10 else 0
    return f"{count:,.{decimals}f} {UNITS[power]}"
