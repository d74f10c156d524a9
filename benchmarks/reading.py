"""Speed of reading stored examples as shuffled batches in [-1, 1], by Transform's graph."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure, iadb

RESOLUTION, IMAGES, BATCH, BATCHES = 64, 4_000, 128, 300


def figures() -> Iterator[Figure]:
    """Ingests JPEGs, then reads the train split as the Trainer does."""
    from benchmarks.ingest import write_jpegs
    from pipeline.registry import lineage
    from trainer.dataset import load_preprocessor, train_dataset

    with tempfile.TemporaryDirectory() as folder:
        workspace = f"{folder}/workspace"
        settings = [
            f"data.resolution={RESOLUTION}",
            "model.channels=[8]",
            "model.attention=[false]",
            "model.norm_groups=4",
            "train.steps=2",
            "train.warmup_steps=1",
            "train.batch_size=2",
            "sample.nb_step=1",
            "evaluate.samples=2",
            "evaluate.min_samples=20",
            "evaluate.bless=always",
            "data.channels=3",
        ]
        overrides = [f"--set={setting}" for setting in settings]
        images = write_jpegs(Path(folder) / "images", IMAGES)
        iadb("run", "--preset", "digits", "--data", images, "--workspace", workspace, *overrides)
        (run,) = lineage.runs(lineage.connect(Path(workspace) / "metadata.sqlite"))
        files = sorted(map(str, (run.rejected_report.parent / "Split-train").glob("*.gz")))
        preprocess = load_preprocessor(run.artifacts["Transform", "transform_graph"].uri)
        batches = iter(train_dataset(files, preprocess, BATCH, seed=0).take(BATCHES + 10))
        for _ in range(10):
            next(batches)
        started = time.monotonic()
        for batch in batches:
            assert batch.shape == (BATCH, RESOLUTION, RESOLUTION, 3)
        rate = BATCHES * BATCH / (time.monotonic() - started)
        name = f"reading: shuffled [-1, 1] batches, {RESOLUTION} pixels"
        yield Figure(name, rate, "images/s", "at least 8,000", rate >= 8_000)
