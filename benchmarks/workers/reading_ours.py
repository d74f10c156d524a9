"""Reads as our Trainer does: `reading_ours.py WORKSPACE BATCH`, of a workspace with one run."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from serve import serve

from benchmarks.process_tree import processor_seconds
from pipeline.registry import lineage
from trainer.dataset import train_dataset
from trainer.records import load_preprocessor

WORKSPACE, BATCH = Path(sys.argv[1]), int(sys.argv[2])

(run,) = lineage.runs(lineage.connect(WORKSPACE / "metadata.sqlite"))
files = sorted(map(str, (run.rejected_report.parent / "Split-train").glob("*.gz")))
preprocess = load_preprocessor(run.artifacts["Transform", "transform_graph"].uri)
reader = iter(train_dataset(files, preprocess, BATCH, seed=0))


def read(batches: int) -> tuple[float, float]:
    """Reads the next batches; returns the seconds, and the processor time."""
    started, busy = time.monotonic(), processor_seconds(os.getpid())
    for _ in range(batches):
        batch = next(reader)
        assert batch.shape[0] == BATCH
    return time.monotonic() - started, processor_seconds(os.getpid()) - busy


serve({"read": read})
