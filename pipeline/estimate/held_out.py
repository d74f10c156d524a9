"""How many images a run has held out, from the report on its files."""

import json

from components.image_example_gen import names as example_names
from pipeline.registry.lineage import Run
from trainer.examples import EVAL


def held_out(run: Run, *, sources: bool = False) -> int:
    """The number of held-out images, or with `sources` of held-out sources without pairs.

    Raises:
        OSError: the run has no report, or it cannot be read.
        ValueError, KeyError: it is damaged.
    """
    report = run.rejected_report
    if report is None:
        raise FileNotFoundError("the run has not written its images")
    if sources:
        report = report.parent / example_names.SOURCES_FOLDER / report.name
    return json.loads(report.read_text("ascii"))["splits"][EVAL]
