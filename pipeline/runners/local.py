"""Runs the pipeline in this process, node by node, with TFX's LocalDagRunner."""

from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline

from pipeline.runners.observed import Observer, observed


def run(pipeline: Pipeline, observer: Observer) -> None:
    """Runs every node; raises what the first failing node raised."""
    with observed(observer):
        LocalDagRunner().run(pipeline)
