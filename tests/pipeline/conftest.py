"""Runs of the whole pipeline with a network that trains in seconds."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from components.drift_gate import names as drift_names
from components.resolvers import strategies as resolvers
from pipeline.config.pipeline_config import load
from pipeline.registry import lineage
from pipeline.run import run_pipeline
from pipeline.workspace import Workspace
from tests import quick_beam, quick_tensorflow
from tests.pipeline.stand_ins import quick_network
from tests.postgres import Postgres
from tests.recorded import OUTPUTS

quick_beam.quicken()
quick_tensorflow.quicken()

TINY = (
    "model.channels=[8]",
    "model.attention=[false]",
    "model.attention_head_dim=4",
    "model.norm_groups=4",
    "model.blocks=1",
    "train.steps=12",
    "train.warmup_steps=2",
    "train.batch_size=32",
    "sample.nb_step=2",
    "evaluate.samples=200",
    "evaluate.limits=none",  # a network of twelve steps draws noise
    "evaluate.thresholds.kid={maximum: 100.0, max_worsening: 100.0}",
    "evaluate.thresholds.frechet_distance={max_worsening: 100.0}",
    "evaluate.thresholds.coverage={max_worsening: 1.0}",
)

NODES = [node for node in OUTPUTS if node != resolvers.BASE_MODEL]
# They never come from the cache.
RESOLVERS = {drift_names.REFERENCE_NODE, resolvers.BASELINE}


class Runs:
    """Runs the pipeline on the digits in one workspace, in this process.

    A small network takes the place of the U-Net. It is converted to ONNX if `convert` is set.
    """

    def __init__(self, folder: Path, data: Path, convert: bool = False) -> None:
        self.workspace = Workspace(folder)
        self.data = data
        self.convert = convert
        self.output = ""

    def config(self, *overrides):
        return load("digits", overrides=[*TINY, f"data.folder={self.data}", *overrides])

    def run(self, *overrides, runner="local"):
        """Runs once; returns the run as ML Metadata has it."""
        out = io.StringIO()
        console = Console(file=out, width=120)
        config = self.config(*overrides)
        try:
            with quick_network(self.convert):
                run_pipeline(config, self.workspace, runner, console, verbose=False)
        finally:
            self.output = out.getvalue()
        return self.last()

    def last(self):
        return lineage.runs(lineage.connect(self.workspace.metadata), last=1)[0]

    def copy(self, folder: Path) -> "Runs":
        """A copy of the workspace, for more runs.

        All nodes but ImageExampleGen run again there, since what they read is in other folders. The
        checkpoints are left out: with them, the training would count as finished.
        """
        without = shutil.ignore_patterns("checkpoints")
        shutil.copytree(self.workspace.folder, folder, ignore=without)
        return Runs(folder, self.data)


def states(run):
    return {node.id: node.state for node in run.nodes}


@pytest.fixture(scope="session")
def trained(shared, digits_folder):
    """A workspace with one finished run, `first`, and its output; its network is also in ONNX.

    For all processes, read-only.
    """

    def train(folder):
        runs = Runs(folder / "workspace", digits_folder, convert=True)
        runs.run()
        (folder / "output").write_text(runs.output)

    folder = shared("trained", train)
    runs = Runs(folder / "workspace", digits_folder)
    runs.first = runs.last()
    runs.output = (folder / "output").read_text()
    return runs


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server with an empty database for ML Metadata."""
    with Postgres.running() as server:
        yield server
