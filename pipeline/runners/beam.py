"""Runs the pipeline as a Beam pipeline, with TFX's BeamDagRunner."""

from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.pipeline import Pipeline

from pipeline.runners.observed import Observer, observed

# Beam's default runner would try to download Prism; this pipeline only orders the nodes.
ORCHESTRATION = ["--runner=FnApiRunner"]


def run(pipeline: Pipeline, observer: Observer) -> None:
    """Runs every node; raises what the first failing node raised, wrapped by Beam."""
    # The orchestrating pipeline takes its options from the command line only.
    with observed(observer, ORCHESTRATION):
        BeamDagRunner().run(pipeline)
