"""Runs the pipeline as a Beam pipeline of its own, by TFX's BeamDagRunner."""

from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.pipeline import Pipeline

from pipeline.runners.observed import Observer, observed

# Beam's default runner would first try to download one; these nodes only wait for each other.
ORCHESTRATION = ["--runner=FnApiRunner"]


def run(pipeline: Pipeline, observer: Observer, gpus: str | None) -> None:
    """Runs every node; raises what the first failing node raised, wrapped by Beam."""
    # The orchestrating pipeline takes its options from the command line, and from nowhere else.
    with observed(observer, gpus, ORCHESTRATION):
        BeamDagRunner().run(pipeline)
