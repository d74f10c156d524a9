"""Checks the folders of a run before anything is started, kept or recorded."""

from math import ceil

from components.image_example_gen.folders.listing import check_has_images
from components.image_example_gen.folders.storage import join
from components.image_example_gen.pairs import check_apart
from components.image_example_gen.spans import ImageSource, holdout_source
from components.image_example_gen.windows import find_window
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import DataConfig, ValidationConfig
from pipeline.schema import min_images

ROUNDING = 1e-9  # in a share
ENOUGH = 1.5  # times the required images: a hash divides them, seldom exactly


def check_images(data: DataConfig) -> None:
    """Checks the folders of images, of held-out ones and of sources.

    Raises:
        ImageDataError: a folder is missing or unreadable or has no images, no span is left to read,
            no image has a source, or images and sources are not in folders apart.
    """
    window = find_window(data.folder, data, data.span)
    if data.paired_source:
        ImageSource(data.folder, window, sources=data.source).listing()
    else:
        check_has_images(join(data.folder, window[-1].folder).rstrip("/") or "/")
    if data.unpaired_source:
        check_apart(data.folder, data.source)
        check_has_images(data.source)
    if data.holdout_source:
        holdout_source(data.holdout, data.holdout_source).listing()
    elif data.holdout:
        check_has_images(data.holdout)


def warn_of_rejected(share: float, data: DataConfig) -> list[str]:
    """Says that a run stops if this share of its files is rejected; no line if it does not."""
    if share <= data.max_rejected + ROUNDING:
        return []
    allowed = f"{100 * data.max_rejected:g}%"
    return [f"a run stops if so many are rejected: data.max_rejected allows {allowed}"]


def warn_of_too_few(trained: int, held_out: int, validation: ValidationConfig) -> list[str]:
    """Says that a run stops, or may stop, for too few images; no line if they suffice.

    Args:
        trained: about how many images will be trained on.
        held_out: about how many will be held out.
        validation: of the run; a schema of one's own may require another number.
    """
    required = min_images()
    strict = validation.schema_file is None and validation.on_anomaly == "stop"
    if not strict or min(trained, held_out) >= ENOUGH * required:
        return []
    return [
        f"a run stops with fewer than {required} images to train on or {required} held out: here "
        f"are about {trained} and {held_out}"
    ]


def warn_of_no_verdict(trained: int, held_out: int, config: PipelineConfig) -> list[str]:
    """Says that no model is blessed, or may not be, for too few images; no line if they suffice.

    Args:
        trained: about how many images will be trained on.
        held_out: about how many will be held out.
        config: of the run.
    """
    required = config.evaluate.min_samples
    if min(trained, held_out) >= ENOUGH * required:
        return []
    held_out_percent = config.data.eval_percent
    suffice = ceil(100 * ENOUGH * required / min(held_out_percent, 100 - held_out_percent))
    return [
        f"no model is blessed with fewer than {required} images to train on or {required} held out "
        f"(evaluate.min_samples): here are about {trained} and {held_out}; {suffice:,} pictures "
        "suffice"
    ]
