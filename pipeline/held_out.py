"""How many images a run holds out and trains on, from the report on its files."""

import json
from typing import TYPE_CHECKING

from components.image_example_gen import names as example_names
from trainer.examples import EVAL, TRAIN

if TYPE_CHECKING:
    from pipeline.registry.lineage import Run


def held_out(run: "Run", *, sources: bool = False) -> int:
    """The number of held-out images, or with `sources` of held-out sources without pairs.

    Raises:
        OSError: the run has no report, or it cannot be read.
        ValueError, KeyError: it is damaged.
    """
    return _count(run, EVAL, sources)


def trained(run: "Run") -> int:
    """The number of training images; raises what `held_out` raises."""
    return _count(run, TRAIN)


def _count(run: "Run", split: str, sources: bool = False) -> int:
    report = run.rejected_report
    if report is None:
        raise FileNotFoundError("the run has not written its images")
    if sources:
        report = report.parent / example_names.SOURCES_FOLDER / report.name
    return json.loads(report.read_text("ascii"))["splits"][split]
