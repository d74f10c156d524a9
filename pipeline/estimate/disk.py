"""The disk that a run needs, and a check before it starts that there is enough."""

import math
import shutil
import sys
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.images.views import MAX_SHIFTED, MIN_SHIFTED, SHIFTS
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.estimate.held_out import expected
from pipeline.estimate.weights import count_weights
from pipeline.workspace import Workspace, WorkspaceError
from trainer.light.network_file import belongs_beside

# Bytes, measured (docs/estimate.md):
SEARCH_BYTES = 900  # of a training image, in the space in which copies are searched
VIEW_BYTES = 512  # of each view of a held-out image or a sample, in that space
STATISTICS_BYTES = 1_000  # of an image that is compared, beside its views and its vector
CHECKPOINT_BYTES = 12  # of a weight: itself, its average and its guide
MOMENT_BYTES = 4  # of a weight, for each average of its gradients
MOMENTS = {"muon": 1, "adam": 2, "adamw": 2}
MODEL_BYTES = 21  # of a weight: raw, averaged, as guide, in the sampler, and in its served copy
GUIDE_BYTES = 8  # of a weight in a sampler that draws with its guide, and in its served copy
NETWORK_BYTES = 8  # of a weight in float32: as ONNX beside the sampler and its copy
GRAPH_BYTES = 4_500_000  # of the two copies of a sampler, beside the weights
OTHER_BYTES = 4_000_000  # statistics, verdicts, reports, logs, metadata
OF_EXAMPLE = 1_000  # at most, of an example beside its pixels
DIMENSION = 2048  # of vectors, where only their network knows it
STATE_BYTES = 2  # of a number in a state on the path of a pair
UNITS = ("B", "kB", "MB", "GB")
ROLES = 4  # held-out images, samples, training images and noise are compared


@dataclass(frozen=True)
class DiskNeed:
    """What a run writes, in bytes.

    Attributes:
        examples: the converted images.
        converted: these again, while they are converted.
        features: of images, and of samples while they are compared.
        training: checkpoints.
        models: the new model and its served copy.
        student: its checkpoints, its model and the served copy.
    """

    examples: int
    converted: int
    features: int
    training: int
    models: int
    student: int

    @property
    def peak(self) -> int:
        """The most that is there at one time."""
        later = self.features + self.training + self.models + self.student
        return self.examples + max(self.converted, later) + OTHER_BYTES

    def without(self, cached: Set[str]) -> "DiskNeed":
        """The need of a run that takes some nodes, by their ids, from the cache."""
        done = {
            "examples": {example_names.NODE},
            "converted": {example_names.NODE},
            "features": {feature_names.NODE, evaluator_names.NODE},
            "training": {trainer_names.NODE},
            "models": {trainer_names.NODE},
            "student": {trainer_names.STUDENT},
        }
        return replace(self, **{part: 0 for part, nodes in done.items() if nodes <= cached})


def disk_need(
    config: PipelineConfig,
    images: int,
    example_bytes: float | None = None,
    nb_class: int = 0,
    sources: int = 0,
) -> DiskNeed:
    """Estimates what a run writes.

    Args:
        config: of the run.
        images: how many it writes, with the sources.
        example_bytes: mean size of an example; None for the most that is possible.
        nb_class: number of classes of a conditional model.
        sources: how many of the images are sources without pairs, which have no features.
    """
    height, width, channels = shape = config.data.shape
    weights = count_weights(
        config.model,
        channels,
        nb_class,
        config.source.seen_channels(channels) if config.source else 0,
    )
    own = images - sources
    compared = min(config.evaluate.samples, expected(own, sources, config.data.eval_percent))
    views = 2 + len(SHIFTS) * (MIN_SHIFTED <= min(height, width) <= MAX_SHIFTED)
    vector = 4 * (config.evaluate.features.dimension(shape) or DIMENSION)
    if example_bytes is None:
        example_bytes = math.prod(shape) * (2 if config.data.paired_source else 1) + OF_EXAMPLE
    examples = round(images * example_bytes)
    networks = 1 if config.sample.autoguidance == 1.0 else 2
    checkpoint = weights * (CHECKPOINT_BYTES + MOMENT_BYTES * MOMENTS[config.train.optimizer])

    def model_bytes(networks: int) -> int:
        per_weight = MODEL_BYTES + GUIDE_BYTES * (networks - 1)
        if belongs_beside(networks * weights, config.source is not None):
            per_weight += networks * NETWORK_BYTES
        return weights * per_weight + networks * GRAPH_BYTES

    # A new checkpoint is complete before an old one is removed.
    training = (config.train.checkpoint.keep + 1) * checkpoint
    return DiskNeed(
        examples=examples,
        converted=examples,
        features=own * SEARCH_BYTES
        + ROLES * compared * (views * VIEW_BYTES + STATISTICS_BYTES + vector),
        training=training,
        models=model_bytes(networks),
        # It has no guide.
        student=training + model_bytes(1) if config.distill.enabled else 0,
    )


def student_need(
    config: PipelineConfig, images: int, example_bytes: float | None = None
) -> DiskNeed:
    """Estimates the space for distilling an existing model, whose images are already stored.

    Args:
        config: of a run that would train and distill it.
        images: that it was trained and judged on.
        example_bytes: mean size of an example; None for the most that is possible.
    """
    need = disk_need(config, images, example_bytes)
    return replace(need, examples=0, converted=0, training=0, models=0)


def free_bytes(workspace: Workspace) -> int:
    """The free space of the disk that a workspace is on, or will be.

    Some file systems, over a network for example, do not know their size: nothing limits them.
    """
    folder: Path = workspace.folder
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize


def require_space(need: DiskNeed, free: int, images: int, workspace: Workspace) -> None:
    """Checks that a run has the space that it needs.

    Raises:
        WorkspaceError: it has not.
    """
    if need.peak <= free:
        return
    twice = ", twice while they are converted" if need.converted else ""
    what = f"{images:,} images as examples{twice}, and "
    raise WorkspaceError(
        f"workspace {workspace.folder}: {size(free)} are free on its disk, and this run needs "
        f"about {size(need.peak)} ({what if need.examples else ''}checkpoints, models and "
        "features): free some space, lower data.resolution, or choose another disk with "
        "--workspace"
    )


def size(count: float) -> str:
    """A number of bytes for a person: 464 B, 1.6 kB, 98 MB, 2,048 GB."""
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        power, count = power + 1, count / 1000
    decimals = 1 if power > 0 and count < 10 else 0
    return f"{count:,.{decimals}f} {UNITS[power]}"
