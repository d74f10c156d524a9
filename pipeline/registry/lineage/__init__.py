"""The runs of a pipeline, what they made and what was decided, from ML Metadata.

Imports neither TFX nor TensorFlow, so that reading the history takes a second.
"""

from pipeline.registry.lineage.read import (
    RESULT_PROPERTY,
    find_makers,
    maker_properties,
    run_contexts,
    runs,
)
from pipeline.registry.lineage.records import metrics_of, properties, recorded_at, spans_of
from pipeline.registry.lineage.run import PUBLISHED, Node, Run
from pipeline.registry.lineage.store import check_not_lost, connect, follow_move, place_of

__all__ = [
    "PUBLISHED",
    "RESULT_PROPERTY",
    "Node",
    "Run",
    "check_not_lost",
    "connect",
    "find_makers",
    "follow_move",
    "maker_properties",
    "metrics_of",
    "place_of",
    "properties",
    "recorded_at",
    "run_contexts",
    "runs",
    "spans_of",
]
