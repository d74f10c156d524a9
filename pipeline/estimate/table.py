"""Prints what a run will take."""

from collections.abc import Sequence

from rich.console import Console

from pipeline.config.pipeline_config import PipelineConfig
from pipeline.console.tables import Column, cell, number, print_table
from pipeline.estimate.available_memory import available_memory
from pipeline.estimate.disk import size
from pipeline.estimate.nodes import CACHED, NodeEstimate
from pipeline.estimate.survey import Survey
from pipeline.pictures.check import warn_of_rejected
from trainer.common.phases import duration
from trainer.common.text import percentage, printable

BRIEF = 10  # seconds, below which a time has a decimal


def print_estimate(
    console: Console, config: PipelineConfig, found: Survey, nodes: Sequence[NodeEstimate]
) -> None:
    """Prints the images, a line per node, and the sums.

    Args:
        console: to print on.
        config: of the run.
        found: about it.
        nodes: their estimates.
    """
    rejected = warn_of_rejected(1 - found.sample.accepted, config.data)
    for line in (_describe_images(config, found), *rejected):
        console.print(line, markup=False, soft_wrap=True)
    columns = (
        Column("node"),
        number("time"),
        number("memory"),
        number("disk"),
        Column("from"),
    )
    rows = [
        (
            cell(each.node),
            cell(None if each.source == CACHED else _seconds(each.seconds)),
            cell(each.memory and size(each.memory)),
            cell(size(each.disk) if each.disk else None),
            cell(each.source),
        )
        for each in nodes
    ]
    print_table(console, columns, rows)
    total = sum(each.seconds for each in nodes)
    peak = max(each.memory or 0 for each in nodes)
    for name, text in (
        ("time", _seconds(total)),
        ("memory", f"{size(peak)} at most, {size(available_memory())} available"),
        ("disk", f"{size(found.need.peak)} at most, {size(found.free)} free"),
    ):
        console.print(f"{name:<8} {text}", highlight=False)


def _describe_images(config: PipelineConfig, found: Survey) -> str:
    sample = found.sample
    sizes = [file.size for each in found.listed for file in each.files if not file.problem]
    unknown = sizes.count(0)
    amount = size(sum(sizes) + unknown * sample.file_bytes)
    if unknown:
        amount = f"about {amount}"
    height, width = config.data.resolution
    sources = f" and {found.sources:,} sources" if found.sources else ""
    text = (
        f"{printable(config.data.folder)}: {found.images:,} images{sources}, {amount}; "
        f"as examples of {width}x{height} {size(sample.example_bytes)} each"
    )
    if sample.accepted < 1:
        text += f"; {percentage(1 - sample.accepted)} of a sample would be rejected"
    return text


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < BRIEF else duration(seconds)
