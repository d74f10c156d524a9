"""What the models of an evaluation say about the images to compare them with."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from components.image_example_gen.options import ImageOptions
from components.sample_evaluator.samples.sampler import LoadedSampler, SamplerError
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.evaluation.division import Division, conversion


def image_options(
    config: PipelineConfig, samplers: Collection[LoadedSampler], division: Division | None
) -> ImageOptions:
    """The options of ImageExampleGen; a model brings its own resolution and channels.

    It also brings how the images of its training were fitted and composited, which `data` may set
    otherwise unless the model translates: then its requests are converted in the same way.
    """
    update: dict[str, Any] = dict(division.options) if division else {}
    shapes = [sampler.image_shape() for sampler in samplers]
    if len(set(shapes)) > 1:
        raise SamplerError(
            f"the candidate draws images of shape {shapes[0]}, the baseline {shapes[1]}; only "
            "models of equal shapes can be compared"
        )
    if shapes:
        height, width, channels = shapes[0]
        if channels not in (1, 3):
            raise SamplerError(
                f"the model draws images of shape {shapes[0]}; only images with 1 or 3 channels "
                "can be compared"
            )
        update |= {"resolution": (height, width), "channels": channels}
    update |= conversion(config.data, [each.metadata for each in samplers])
    data = config.data.model_dump(include=set(ImageOptions.model_fields))
    return ImageOptions.model_validate(data | update)


def kind_of_sources(samplers: Collection[LoadedSampler]) -> tuple[str | None, bool]:
    """How models derive sources from images, and whether each image has a source of its own."""
    found = {
        (sampler.source.degrade, sampler.source.paired) for sampler in samplers if sampler.source
    }
    if len(found) > 1:
        first, second = sorted(
            f"data.degrade={degrade}" if degrade else f"data.source{'' if paired else ' unpaired'}"
            for degrade, paired in found
        )
        raise SamplerError(
            f"one model has sources by {first}, the other by {second}; only models with equal "
            "sources can be compared"
        )
    return next(iter(found), (None, True))


def check_sources(samplers: Collection[LoadedSampler], sources: Path | None) -> None:
    """Raises a SamplerError if models lack a folder of sources, or take none from a folder."""
    taken = [each.source for each in samplers if each.source and not each.source.degrade]
    if taken and not sources:
        which = (
            "the sources of --real, under the same names,"
            if taken[0].paired
            else "images to translate (data.pairing=none)"
        )
        raise SamplerError(
            f"the model translates images of a folder (data.source): name the folder with {which} "
            "with --source"
        )
    if sources and not taken:
        raise SamplerError(
            f"--source {sources}: no model here translates images of a folder (data.source); leave "
            "it out"
        )
