"""What is known of a run before anything is timed: its images, its disk, and earlier runs."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.estimate.disk import DiskNeed, disk_need, free_bytes, require_space
from pipeline.estimate.images import (
    Listed,
    NoSampleError,
    Sample,
    count_classes,
    count_used,
    has_sizes,
    list_files,
    take_sample,
)
from pipeline.registry import lineage
from pipeline.workspace import Locations, Workspace

if TYPE_CHECKING:  # its import starts TFX
    from pipeline.estimate.earlier import Planned

# Of the estimated space: what is short by less may fit, since a sample tells the size of images.
SURE = 0.9


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        listed: the images, those of data.holdout if it is set, and last sources without pairs.
        sources: the number of files of these; 0 without them.
        sample: some of them, converted.
        cached: ids of the nodes that the cache will answer.
        planned: the nodes of the run.
        runs: earlier ones, oldest first.
        need: what the run will write.
        free: free space of the workspace's disk, in bytes.
        starting: seconds that TensorFlow and TFX took to start; 0 if they were running.
    """

    listed: Sequence[Listed]
    sources: int
    sample: Sample
    cached: frozenset[str]
    planned: "Planned"
    runs: Sequence[lineage.Run]
    need: DiskNeed
    free: int
    starting: float

    @property
    def files(self) -> int:
        """The number of files that are converted."""
        return sum(len(each.files) for each in self.listed)

    @property
    def images(self) -> int:
        """The number of image files, without those of sources that are not paired with them."""
        return self.files - self.sources

    def require_space(self, workspace: Workspace) -> None:
        """Refuses a run that surely does not fit on the disk of its workspace.

        Raises:
            WorkspaceError: it does not.
        """
        if self.runs and not all(has_sizes(each.source) for each in self.listed):
            return  # without the sizes of the files, it is not known what the cache will answer
        if SURE * self.need.peak > self.free:
            require_space(self.need, self.free, self.files, workspace)


def survey(config: PipelineConfig, workspace: Workspace, schema: str) -> Survey:
    """Looks at the images, the workspace and its disk; writes nothing.

    Args:
        config: of the run.
        workspace: may not exist.
        schema: of the examples, as text.

    Raises:
        ImageDataError: a folder is missing or unreadable, or has no images.
        NoSampleError: none of a sample of the files can be used.
    """
    listed = list_files(config.data)
    begun = time.monotonic()
    from pipeline.estimate.earlier import find_cached, goes_on, plan
    from pipeline.graph import create_pipeline

    starting = time.monotonic() - begun
    sample = take_sample(listed[0], config.data)
    pipeline = create_pipeline(config, Locations.of(workspace), schema)
    planned = plan(pipeline, listed)
    runs = lineage.runs(lineage.connect(workspace.metadata)) if workspace.metadata.exists() else []
    cached = frozenset(find_cached(planned, runs))
    counts = [round(sample.accepted * count_used(each, config.data)) for each in listed]
    sources = counts[-1] if config.data.unpaired_source else 0
    classes = count_classes(listed[0]) if config.model.conditional else 0
    need = disk_need(config, sum(counts), sample.example_bytes, classes, sources).without(cached)
    if (workspace.artifacts / example_names.NODE / example_names.EXAMPLES).exists():
        # Images of earlier runs are not converted again; how many these are is not known.
        need = replace(need, converted=0)
    if goes_on(trainer_names.NODE, planned, runs):
        there = _newest_checkpoints(workspace.checkpoints)
        need = replace(need, training=max(0, need.training - there))
    return Survey(
        listed=listed,
        sources=len(listed[-1].files) if config.data.unpaired_source else 0,
        sample=sample,
        cached=cached,
        planned=planned,
        runs=runs,
        need=need,
        free=free_bytes(workspace),
        starting=starting,
    )


def check_space(config: PipelineConfig, workspace: Workspace, schema: str, images: int) -> None:
    """Checks before a run that its disk has the space that it needs.

    Images are looked at only if the most that so many can take is not free.

    Args:
        config: as in `survey`, like the next three.
        workspace: exists.
        schema: of the examples.
        images: number of files that the run will find.

    Raises:
        WorkspaceError: it has not.
    """
    if disk_need(config, images).peak <= free_bytes(workspace):
        return
    try:
        found = survey(config, workspace, schema)
    except NoSampleError:
        return  # the run will say why
    found.require_space(workspace)


def _newest_checkpoints(folder: Path) -> int:
    """The size in bytes of the checkpoints of the newest training."""
    sizes: dict[Path, int] = {}
    newest = (0.0, folder)
    for file in folder.glob("*/ckpt-*"):
        with contextlib.suppress(FileNotFoundError):  # a training may be removing it
            found = file.stat()
            sizes[file.parent] = sizes.get(file.parent, 0) + found.st_size
            newest = max(newest, (found.st_mtime, file.parent))
    return sizes.get(newest[1], 0)
